// A move leaves on its nodes what the moved pod needs there, and nothing when the pod has gone. First by name: it compares with fresh nodes.
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { differences, quietStates, type States, statesOf } from './node-state.ts'
import { sharedWorld } from './shared-lab.ts'
import type { World } from './world.ts'

const app = 'tidy'
/** Sweeps, kubelet's own cleaning and the controller's network wish come within a minute or two. */
const patienceMs = 200_000

describe('after moves', () => {
  let world: World
  let atFirst: States
  before(async function () {
    this.timeout(900_000)
    world = await sharedWorld()
    atFirst = await quietStates(world.lab.nodes)
  })
  after(async () => {
    await world.remove(`deployment/${app}`, `service/${app}`, '--wait')
    await world.remove('podmigrations', '--all')
  })

  /** Waits until no node differs from the beginning except by lines that `allowed` lets pass; says what still does. */
  async function untilClean(ip: string, allowed: (line: string, node: string) => boolean): Promise<void> {
    const endMs = Date.now() + patienceMs
    for (;;) {
      const now = await statesOf(world.lab.nodes, ip)
      const wrong = [...now].flatMap(([node, state]) =>
        differences(atFirst.get(node) ?? new Set(), state)
          .filter((line) => !allowed(line, node))
          .map((line) => `${node} ${line}`),
      )
      if (wrong.length === 0) return
      if (Date.now() > endMs) expect(wrong).to.deep.equal([])
      await sleep(5000)
    }
  }

  it('and a rollback, only what belongs to the moved pod stays; nothing when it has gone', async function () {
    this.timeout(600_000)
    const pod = await world.deployEcho({ name: app, nodeName: 'node-1', ballastMiB: 20 })
    const ip = pod.status?.podIP ?? ''
    const talking = world.talk(await world.serviceAddress(app), 20)
    await sleep(1000)
    const away = pod.spec?.nodeName === 'node-2' ? 'node-3' : 'node-2'
    const moved = await world.migrate(pod.metadata?.name ?? '', { targetNodeName: away })
    expect(moved.status?.phase, moved.status?.message).to.equal('Complete')
    const there = await world.pod(app)
    const failed = await world.migrate(there.metadata?.name ?? '', { freezeWindowBudgetMs: 50 })
    expect(failed.status?.phase, failed.status?.message).to.equal('RolledBack')
    expect((await talking).errors).to.deep.equal([])
    await untilClean(
      ip,
      (line, node) =>
        line.includes(ip) || (node === away && /^\+ (file|mount|cgroup|process|lease)/.test(line)) || /elements = /.test(line),
    )

    await world.remove(`deployment/${app}`, `service/${app}`)
    await untilClean(ip, () => false)
  })
})
