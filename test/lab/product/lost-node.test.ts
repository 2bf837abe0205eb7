// The source's whole node is destroyed in the middle of a move and never comes back: after the commit the destination serves, before it the pod is made anew as without us.
import type { V1Pod } from '@kubernetes/client-node'
import { expect } from 'chai'
import { isTerminal } from '../../../src/api/phases.ts'
import type { PodMigration } from '../../../src/api/pod-migration.ts'
import { Dice } from '../../sim/dice.ts'
import { copiesOn } from '../chaos/copies.ts'
import { type Instant, untilStruck } from '../chaos/instants.ts'
import { Oracle } from '../chaos/oracle.ts'
import { beginMove, type Scene } from '../chaos/scene.ts'
import { chaosApp, chaosManifests } from '../chaos/workload.ts'
import { HeapPod, heapApp } from '../workloads/heap.ts'
import { waitEligible } from './install.ts'
import { freshPods } from './own-pods.ts'
import { sharedWorld } from './shared-lab.ts'
import type { World } from './world.ts'

const spec = { freezeWindowBudgetMs: 8000, completionTimeoutSeconds: 90 }

describe("the source's node is destroyed for good", function () {
  this.timeout(400_000)
  let world: World
  before(async () => {
    world = await sharedWorld()
  })
  beforeEach(() => world.apply(chaosManifests()))
  afterEach(async () => {
    await world.remove(`deployment/${chaosApp}`, `service/${chaosApp}`)
    await world.remove('podmigrations', '--all')
    // One on a node that came back may start once more and end late: the next test's clients must not meet it.
    await world.until('the end of its pods', async () => (await world.list('pods', '-l', `app=${chaosApp}`)).length === 0)
  })

  it('10 ms after the commit, with a GB that still fills: the pod goes on with all of it, over the connection that it had', async () => {
    const heap = await HeapPod.start(world, 'heap', ['1024', 'private'])
    try {
      // Away from its address's home, whose node carries the connection.
      const pod = await world.pod(heapApp)
      expect((await world.migrate(pod.metadata?.name ?? '', { targetNodeName: 'node-2', ...spec })).status?.phase).to.equal('Complete')
      await heap.ask('dirty 20000')
      const app = { app: heapApp, targetNodeName: 'node-3' }
      await destroyedAt(
        { side: 'destination', record: 'state:committed', delayMs: 10 },
        async (scene) => {
          expect(await heap.ask('verify')).to.equal(`ok ${1024 * 256}`)
          expect((await ended(scene)).status?.phase).to.equal('Complete')
          expect((await world.pod(heapApp)).spec?.nodeName).to.equal('node-3')
        },
        app,
      )
    } finally {
      await heap.close()
      await HeapPod.remove(world)
    }
  })

  /** Its processes end at once, and its Node object is deleted as an administrator or a cloud does it; what `check` needs comes back afterwards. */
  async function destroyedAt(
    instant: Instant,
    check: (scene: Scene) => Promise<void>,
    moved: { app: string; targetNodeName?: string } = { app: chaosApp },
  ): Promise<void> {
    const scene = await beginMove(world, await world.pod(moved.app), new Dice(1), { spec, ...moved })
    const over = new AbortController()
    const { name } = scene.source
    try {
      expect(await untilStruck(scene, instant, over.signal)).to.equal(true)
      await world.lab.killNode(name)
      await world.kubectl('delete', 'node', name, '--wait=false')
      await check(scene)
    } finally {
      over.abort()
      await world.lab.startNode(name)
      await world.kubectl('wait', '--for=condition=Ready', 'nodes', '--all', '--timeout=90s')
      await freshPods(world)
      await waitEligible(world.lab)
    }
  }

  async function ended({ name }: Scene): Promise<PodMigration> {
    return await world.until(
      `the end of PodMigration ${name}`,
      async () => {
        const migration = await world.get<PodMigration>('podmigration', name)
        return migration && isTerminal(migration.status?.phase) && migration
      },
      150_000,
    )
  }

  async function onlyPod({ source }: Scene): Promise<V1Pod> {
    const pod = await world.pod(chaosApp)
    expect(copiesOn(world.lab.nodes.filter(({ name }) => name !== source.name))).to.have.length(1)
    return pod
  }

  it('just after the commit: the destination serves, with all its memory', () =>
    withOracle(async (oracle) => {
      await destroyedAt({ side: 'destination', record: 'state:committed', delayMs: 0 }, async (scene) => {
        const migration = await ended(scene)
        expect(migration.status?.phase, migration.status?.message).to.equal('Complete')
        const pod = await onlyPod(scene)
        expect(pod.spec?.nodeName).to.equal(scene.destination.name)
        await world.until('connections through the Service', async () => (await oracle.look()).open >= 4)
        const seen = await oracle.look()
        expect(seen.starts).to.equal(1)
        expect(seen.wrong).to.deep.equal([])
      })
    }))

  it('in the freeze: its controller makes another pod, and nothing waits for the one that is gone', () =>
    withOracle(async (oracle) => {
      await destroyedAt({ side: 'source', record: 'step:frozen', delayMs: 0 }, async (scene) => {
        const migration = await ended(scene)
        expect(migration.status?.phase).to.be.oneOf(['Failed', 'RolledBack'])
        const pod = await onlyPod(scene)
        expect(pod.metadata?.uid).to.not.equal(scene.pod.metadata?.uid)
        expect(pod.metadata?.labels).to.not.have.property('podmotion.io/migration-uid')
        oracle.tell({ direct: pod.status?.podIP ?? '', service: await world.serviceAddress(chaosApp) })
        await world.until('answers of the second program', async () => {
          // Their node is gone, and nobody else tells a client of it: its end is a timeout of its own.
          for (const kind of ['direct', 'service'] as const) oracle.abandon(kind)
          return (await oracle.look()).starts === 2
        })
      })
    }))

  /** Its connections are open before the move begins. */
  async function withOracle(work: (oracle: Oracle) => Promise<void>): Promise<void> {
    const pod = await world.pod(chaosApp)
    const oracle = Oracle.start(world.lab, { direct: pod.status?.podIP ?? '', service: await world.serviceAddress(chaosApp) })
    try {
      await world.until('all connections', async () => (await oracle.look()).open === 8)
      await work(oracle)
    } finally {
      await oracle.end()
    }
  }
})
