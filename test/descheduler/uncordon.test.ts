// Which wishes of a drain an uncordon takes back.
import { expect } from 'chai'
import { movesToCancel, startUncordon } from '../../src/descheduler/drain/uncordon.ts'
import * as paths from '../../src/kube/paths.ts'
import { at, migration, node, nowMs } from '../extender/cluster.ts'
import { type TestCluster, testCluster, until } from '../extender/deps.ts'
import { FakeClock } from '../runtime/fake-clock.ts'

const drained = (name: string, status: object | undefined, metadata: object = {}) =>
  migration(`shop/${name}`, name, {
    metadata: { annotations: { 'podmotion.io/drained-node': 'a' }, ...metadata },
    ...(status ? { status: status as Record<string, unknown> } : {}),
  })

describe('uncordon', () => {
  const cases: [string, ReturnType<typeof drained>, boolean][] = [
    ['a move that has not begun', drained('x', undefined), true],
    ['one that copies memory', drained('x', { phase: 'PreCopyMemory' }), true],
    ['one whose destination pod starts', drained('x', { phase: 'DestinationPrewarm' }), true],
    ['not one that the agents work on', drained('x', { phase: 'DestinationPrewarm', moveStartedAt: at(-1) }), false],
    ['not one that arms', drained('x', { phase: 'ZeroWindowArm' }), false],
    ['not a Cold one that checkpoints', drained('x', { phase: 'Checkpointing' }), false],
    ['not one that is frozen', drained('x', { phase: 'FinalFreeze' }), false],
    ['not one that has ended', drained('x', { phase: 'Complete' }), false],
    ['not one that is being taken back', drained('x', undefined, { deletionTimestamp: at(-1) }), false],
    ['not one made a moment ago', drained('x', undefined, { creationTimestamp: at(-1000) }), false],
    ['not one that a person made', drained('x', undefined, { annotations: {} }), false],
  ]
  for (const [what, move, expected] of cases)
    it(`takes back ${what}`, () => {
      expect(movesToCancel([node('a')], [move], nowMs).length === 1).to.equal(expected)
      expect(movesToCancel([node('a', { cordoned: true })], [move], nowMs)).to.deep.equal([])
      expect(movesToCancel([node('b')], [move], nowMs)).to.deep.equal([])
    })

  describe('against an API server', () => {
    let cluster: TestCluster
    const ending = new AbortController()
    after(() => {
      ending.abort()
      cluster.stop()
    })

    it('deletes when the node really is open again, not on an old picture of it', async () => {
      const clock = new FakeClock(nowMs)
      cluster = await testCluster(clock)
      cluster.write(paths.nodePath('a'), node('a'))
      cluster.write(paths.podMigrationPath('shop', 'x'), drained('x', undefined))
      await cluster.sync()
      // The cache shows the node as it was before the cordon.
      cluster.deps.caches.nodes.upsert({ ...node('a'), metadata: { name: 'a', resourceVersion: '999999' } })
      cluster.write(paths.nodePath('a'), node('a', { cordoned: true }))
      void startUncordon(cluster.deps, ending.signal)
      await until(
        () => cluster.server.requests.filter((request) => request === 'GET /api/v1/nodes/a').length,
        (count) => count === 1,
      )
      expect(cluster.server.read(paths.podMigrationPath('shop', 'x'))).to.not.equal(undefined)
      cluster.write(paths.nodePath('a'), node('a'))
      await until(
        () => clock.sleepers,
        (count) => count > 0,
      )
      await clock.advance(10_000)
      await until(
        () => cluster.server.read(paths.podMigrationPath('shop', 'x')),
        (object) => object === undefined,
      )
    })
  })
})
