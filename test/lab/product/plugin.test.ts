// kubectl podmotion, against the real cluster.
import { join } from 'node:path'
import { expect } from 'chai'
import type { PodMigration } from '../../../src/api/pod-migration.ts'
import { projectRoot } from '../layout.ts'
import { type Said, said } from '../said.ts'
import { sharedWorld } from './shared-lab.ts'
import type { World } from './world.ts'

describe('kubectl podmotion', () => {
  let world: World
  before(async function () {
    this.timeout(900_000)
    world = await sharedWorld()
  })
  after(async () => {
    await world.remove('deployment/plugged', 'service/plugged')
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

  it("refuses with kubectl's exit code and a reason", async () => {
    const { exitCode, all } = await podmotion('migrate', 'no-such-pod')
    expect(exitCode).to.equal(1)
    expect(all).to.contain('no-such-pod')
  })
})
