// Kept images from the agent's answer to the object and back, through the real client against the small API server.
import { expect } from 'chai'
import type { MigrationCheckpoint } from '../../src/api/migration-checkpoint.ts'
import type { PodMigration } from '../../src/api/pod-migration.ts'
import { migrationCheckpointPath, podMigrationPath } from '../../src/kube/paths.ts'
import { syncCheckpoints } from '../../src/migrator/checkpoint-sync.ts'
import { type Clock, realClock } from '../../src/runtime/clock.ts'
import { CodedError } from '../../src/runtime/errors.ts'
import { type TestCluster, testCluster, until } from '../extender/deps.ts'
import { FakeAgents } from './fake-agents.ts'
import { makeCapacity, makeMigration, makeNode, migrationUid } from './world.ts'

const expiresAtMs = Date.now() + 3_600_000
const kept = {
  uid: migrationUid,
  migrationName: 'shop/move',
  podName: 'cart-7',
  podUid: 'source-uid',
  phase: 'Ready' as const,
  path: `checkpoints/${migrationUid}`,
  sizeBytes: 1,
  digest: 'sha256:abc',
  keptAtMs: 1,
  expiresAtMs,
}
const objectPath = migrationCheckpointPath('shop', 'move')

describe('keeping MigrationCheckpoints true', () => {
  /** Looks come quickly. */
  const clock: Clock = { nowMs: () => realClock.nowMs(), sleep: (_ms, signal) => realClock.sleep(10, signal) }
  let cluster: TestCluster
  let agents: FakeAgents
  let ending: AbortController
  let working: Promise<void>

  beforeEach(async () => {
    cluster = await testCluster(clock)
    agents = new FakeAgents(() => 'na')
    agents.checkpointsOn.set('na', [kept])
    const now = new Date().toISOString()
    const conditions = [{ type: 'CheckpointKept', status: 'Unknown', reason: 'Intended', lastTransitionTime: now }]
    const status = { phase: 'Complete', sourceNode: 'na', committedAt: now, completedAt: now, conditions }
    cluster.write('/api/v1/nodes/na', makeNode('na', 1))
    cluster.write('/apis/podmotion.io/v1alpha1/nodemigrationcapacities/na', makeCapacity('na', 1))
    cluster.write(podMigrationPath('shop', 'move'), { ...makeMigration({ mode: 'Cold' }), status })
    await cluster.sync()
    ending = new AbortController()
    working = syncCheckpoints(cluster.deps, agents, ending.signal)
  })
  afterEach(async () => {
    ending.abort()
    await working
    cluster.stop()
  })

  const object = () => cluster.server.read(objectPath) as unknown as MigrationCheckpoint | undefined
  const condition = () => {
    const migration = cluster.server.read(podMigrationPath('shop', 'move')) as unknown as PodMigration | undefined
    return migration?.status?.conditions?.find(({ type }) => type === 'CheckpointKept')
  }
  const isTold = (reason: string) =>
    until(
      () => condition()?.reason,
      (said) => said === reason,
    )

  it('makes the object and says so', async () => {
    await isTold('Kept')
    expect(object()?.status?.phase).to.equal('Ready')
    expect(object()?.spec.digest).to.equal('sha256:abc')
    expect(condition()?.message).to.contain('MigrationCheckpoint move: ')
    await until(() => cluster.server.requests.some((request) => request.startsWith('POST') && request.includes('/events')), Boolean)
  })

  it('has the files removed when the object is deleted, and only then says so', async () => {
    await isTold('Kept')
    agents.fault = (call) => (call.startsWith('remove') ? new CodedError('AgentAnswered500', 'not now', { retryable: true }) : undefined)
    await cluster.deps.client.delete(objectPath)
    await realClock.sleep(50)
    expect(condition()?.reason).to.equal('Kept')
    agents.fault = () => undefined
    await isTold('Removed')
    expect(agents.checkpointsOn.get('na')).to.deep.equal([])
    expect(object()).to.equal(undefined)
  })

  it('has the files removed when the migration is deleted', async () => {
    await isTold('Kept')
    await cluster.deps.client.delete(podMigrationPath('shop', 'move'))
    await until(
      () => agents.checkpointsOn.get('na'),
      (there) => there?.length === 0,
    )
  })

  it('leaves an object of the same name alone that belongs to another migration', async () => {
    await isTold('Kept')
    const other = { ...makeMigration({ mode: 'Cold' }), metadata: { name: 'move', namespace: 'shop', uid: 'another' } }
    const conditions = [{ type: 'CheckpointKept', status: 'Unknown', reason: 'Intended', lastTransitionTime: new Date().toISOString() }]
    const now = new Date().toISOString()
    cluster.write(podMigrationPath('shop', 'move'), { ...other, status: { sourceNode: 'na', committedAt: now, conditions } })
    agents.checkpointsOn.set('na', [{ ...kept, uid: 'another', digest: 'sha256:other' }])
    await realClock.sleep(100)
    expect(object()?.spec.digest).to.equal('sha256:abc')
    expect(condition()?.reason).to.equal('Intended')
  })
})
