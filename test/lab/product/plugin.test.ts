// kubectl podmotion, against the real cluster.
import { release } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { runtimeClassName } from '../../../src/api/names.ts'
import type { PodMigration } from '../../../src/api/pod-migration.ts'
import { projectRoot } from '../layout.ts'
import { type Said, said } from '../said.ts'
import { sharedWorld } from './shared-lab.ts'
import type { World } from './world.ts'

const tableName = 'table'

/** 2 GB, of which a few blocks are written now and then. */
const tablePod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: tableName, namespace: 'default', labels: { app: tableName } },
  spec: {
    runtimeClassName,
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 0,
    volumes: [{ name: 'data', emptyDir: {} }],
    containers: [
      {
        name: 'writer',
        image: 'podmotion.local/app:1',
        imagePullPolicy: 'IfNotPresent',
        command: ['sh', '-c', 'truncate -s 2G /data/table; while :; do echo changed 1<>/data/table; sleep 0.1; done'],
        volumeMounts: [{ name: 'data', mountPath: '/data' }],
      },
    ],
  },
}

/** Decision 0023: of ext4, since Linux 6.11. */
async function tellsWrites(world: World, nodeName: string): Promise<boolean> {
  const kind = await said(world.lab.node(nodeName).run('stat', ['-f', '-c', '%T', '/var/lib/kubelet']))
  const [major = 0, minor = 0] = release().split('.').map(Number)
  return kind.stdout.trim() === 'ext2/ext3' && (major > 6 || (major === 6 && minor >= 11))
}

describe('kubectl podmotion', () => {
  let world: World
  before(async function () {
    this.timeout(900_000)
    world = await sharedWorld()
  })
  after(async () => {
    await world.remove('deployment/plugged', 'service/plugged')
    await world.remove(`pod/${tableName}`, '--grace-period=0', '--force')
    await world.remove('podmigrations', '--all')
  })

  function podmotion(...args: string[]): Promise<Said> {
    const program = join(projectRoot, 'dist', 'kubectl-podmotion.cjs')
    const command = [program, ...args, '--kubeconfig', world.lab.kubeconfigPath]
    return said(world.lab.control.runHere(process.execPath, command, { reject: false, all: true }))
  }

  it('doctor finds every node in order', async () => {
    const { exitCode, all } = await podmotion('doctor')
    expect(exitCode, all).to.equal(0)
    for (const node of world.lab.nodes) expect(all).to.contain(node.name)
  })

  it('estimates, moves and describes', async () => {
    const pod = await world.deployEcho({ name: 'plugged' })
    const name = pod.metadata?.name ?? ''
    const estimate = await podmotion('estimate', name)
    expect(estimate.exitCode, estimate.all).to.equal(0)
    const moved = await podmotion('migrate', name, '--wait', '--timeout', '120', '--freeze-budget-ms', '8000')
    expect(moved.exitCode, moved.all).to.equal(0)
    expect((await world.pod('plugged')).spec?.nodeName).to.not.equal(pod.spec?.nodeName)
    const [migration] = (await world.list<PodMigration>('podmigrations')).filter((one) => one.status?.phase === 'Complete')
    expect((await podmotion('describe', migration?.metadata.name ?? '')).all).to.contain('frozen')
  })

  it('estimates what is written of a large file, where the kernel tells', async () => {
    await world.apply(tablePod)
    const pod = await world.pod(tableName)
    const { stdout, all } = await podmotion('estimate', tableName, '-o', 'json')
    const { freezeMs = 0, pace = 1 } = (JSON.parse(stdout) as PodMigration).status?.estimate ?? {}
    expect(freezeMs, all).to.be.greaterThan(0)
    const isTold = await tellsWrites(world, pod.spec?.nodeName ?? '')
    // Whole it is 600 ms.
    expect(freezeMs / pace < 500, `${freezeMs} ms at pace ${pace}`).to.equal(isTold)
  })

  it("refuses with kubectl's exit code and a reason", async () => {
    const { exitCode, all } = await podmotion('migrate', 'no-such-pod')
    expect(exitCode).to.equal(1)
    expect(all).to.contain('no-such-pod')
  })
})
