// A pod moves in mode Cold under talking clients, and its images stay on the source: to be checked, to be deleted, to expire.
import type { V1Pod } from '@kubernetes/client-node'
import { expect } from 'chai'
import type { MigrationCheckpoint } from '../../../src/api/migration-checkpoint.ts'
import type { PodMigration } from '../../../src/api/pod-migration.ts'
import { said } from '../said.ts'
import { productNamespace, waitEligible } from './install.ts'
import { freshPods } from './own-pods.ts'
import { sharedWorld } from './shared-lab.ts'
import type { World } from './world.ts'

const digestScript =
  "cd /var/lib/podmotion/$1 && find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -d' ' -f1; find . -type f -printf '%s\\n' | awk '{s += $1} END {print s}'; stat -c %a ."

// More than is written between two looks at the disk.
const ballastMiB = 100

describe('a Cold move', () => {
  let world: World
  let source: V1Pod
  let migration: PodMigration
  before(async function () {
    this.timeout(900_000)
    world = await sharedWorld()
    source = await world.deployEcho({ name: 'cold', ballastMiB })
  })
  after(async () => {
    await world.remove('deployment/cold', 'service/cold')
    await world.remove('podmigrations', '--all')
  })

  const checkpoint = () => world.get<MigrationCheckpoint>('migrationcheckpoint', migration.metadata.name)
  const onNode = async (nodeName: string, script: string, ...args: string[]): Promise<string> => {
    const node = world.lab.nodes.find(({ name }) => name === nodeName)
    if (!node) throw new Error(`no node ${nodeName}`)
    return (await said(node.run('sh', ['-c', script, 'sh', ...args], { reject: false }))).stdout
  }
  const left = async (nodeName: string) =>
    await onNode(nodeName, 'ls /var/lib/podmotion/checkpoints /run/podmotion/keeping 2>/dev/null | grep "$1"', migration.metadata.uid ?? '')
  const ready = async () =>
    await world.until('the checkpoint', async () => {
      const found = await checkpoint()
      return found?.status?.phase === 'Ready' && found
    })

  const keepFor = async (seconds: number): Promise<void> => {
    const inProduct = ['-n', productNamespace] as const
    await world.kubectl(...inProduct, 'set', 'env', 'deployment/podmotion-controller', `CHECKPOINT_RETENTION_SECONDS=${seconds}`)
    await world.kubectl(...inProduct, 'rollout', 'status', 'deployment/podmotion-controller', '--timeout=120s')
    // Those that end still answer, from caches that have ended.
    await world.until('the controllers of before to go', async () => {
      const pods = await world.list<V1Pod>('pods', ...inProduct)
      return pods.every(({ metadata }) => metadata?.deletionTimestamp === undefined)
    })
  }

  it('is noticed by nobody', async () => {
    const talking = world.talk(await world.serviceAddress('cold'), 12)
    migration = await world.migrate(source.metadata?.name ?? '', { mode: 'Cold' })
    expect(migration.status?.phase, migration.status?.message).to.equal('Complete')
    const talk = await talking
    expect(talk.errors).to.deep.equal([])
    expect(talk.requests).to.be.greaterThan(500)
    expect((await world.pod('cold')).spec?.nodeName).to.not.equal(source.spec?.nodeName)
  })

  it('leaves its images on the source, of the size and digest that its object says', async () => {
    const { spec, metadata } = await ready()
    expect(spec).to.include({ podName: source.metadata?.name, podUID: source.metadata?.uid, nodeName: source.spec?.nodeName })
    expect(spec.sizeBytes).to.be.greaterThan(ballastMiB << 20)
    const [digest, bytes, mode] = (await onNode(spec.nodeName, digestScript, spec.path)).split('\n')
    expect([`sha256:${digest}`, Number(bytes), mode]).to.deep.equal([spec.digest, spec.sizeBytes, '700'])
    const containers = await onNode(spec.nodeName, 'ls /var/lib/podmotion/$1', spec.path)
    expect(containers.split('\n')).to.deep.equal(source.spec?.containers.map(({ name }) => name).toSorted())
    expect(spec.requiredFeatures?.some((feature) => feature.startsWith('criu:'))).to.equal(true)
    const told = (await world.get<PodMigration>('podmigration', metadata.name))?.status?.conditions
    expect(told?.find(({ type }) => type === 'CheckpointKept')).to.include({ status: 'True', reason: 'Kept' })
    expect((await world.kubectl('get', 'migrationcheckpoints')).stdout.split('\n')[0]).to.match(
      /^NAME +POD +NODE +SIZE +AGE +EXPIRES +PHASE$/,
    )
  })

  it('loses them when somebody deletes the object', async () => {
    await world.kubectl('delete', 'migrationcheckpoint', migration.metadata.name)
    const nodeName = source.spec?.nodeName ?? ''
    await world.until('the files to go', async () => (await left(nodeName)) === '', 30_000)
    await world.until('the condition', async () => {
      const conditions = (await world.get<PodMigration>('podmigration', migration.metadata.name))?.status?.conditions
      return conditions?.some(({ type, reason }) => type === 'CheckpointKept' && reason === 'Removed')
    })
  })

  it('loses them, and the object, when their time is over', async () => {
    await keepFor(30)
    try {
      const pod = await world.pod('cold')
      migration = await world.migrate(pod.metadata?.name ?? '', { mode: 'Cold' })
      expect(migration.status?.phase, migration.status?.message).to.equal('Complete')
      const { spec } = await ready()
      expect(await left(spec.nodeName)).to.not.equal('')
      await world.until('the object to go', async () => (await checkpoint()) === undefined, 90_000)
      expect(await left(spec.nodeName)).to.equal('')
    } finally {
      await keepFor(3600)
    }
  })

  it('has them still when the destination is destroyed after the commit', async function () {
    this.timeout(400_000)
    const pod = await world.pod('cold')
    const target = world.lab.nodes.map(({ name }) => name).find((name) => name !== pod.spec?.nodeName) ?? ''
    const wish = world.migration({ podName: pod.metadata?.name ?? '', mode: 'Cold', targetNodeName: target, completionTimeoutSeconds: 60 })
    await world.apply(wish)
    await world.kubectl('wait', `podmigration/${wish.metadata.name}`, '--for=jsonpath={.status.committedAt}', '--timeout=60s')
    await world.lab.killNode(target)
    await world.kubectl('delete', 'node', target, '--wait=false')
    try {
      migration = await world.ended(wish.metadata.name, 240_000)
      expect(migration.status?.committedAt).to.not.equal(undefined)
      const { spec } = await ready()
      expect(spec.nodeName).to.equal(pod.spec?.nodeName)
      const [digest] = (await onNode(spec.nodeName, digestScript, spec.path)).split('\n')
      expect(`sha256:${digest}`).to.equal(spec.digest)
    } finally {
      await world.lab.startNode(target)
      await world.kubectl('wait', '--for=condition=Ready', 'nodes', '--all', '--timeout=90s')
      await freshPods(world)
      await waitEligible(world.lab)
    }
  })
})
