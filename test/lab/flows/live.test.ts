// Minutes long, so a command of its own (`make live-flows`). A pod with flows of every kind, its own to Services and to the outside among them, moves on, is rolled back and comes home: nobody notices.
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { differences, nodeState } from '../product/node-state.ts'
import { sharedWorld } from '../product/shared-lab.ts'
import type { World } from '../product/world.ts'
import { type FlowReport, Flows } from './flows.ts'
import { type FlowMove, moveOn } from './moves.ts'
import { errorsOf, tableOf, waitsBeyondFreeze } from './summary.ts'

/** One machine plays all nodes, often for other tests too: how short the waits are is the benchmark's to tell. Here nothing may hang. */
const beyondFreezeMs = 5000
/** The agent looks for relays without flows once a minute. */
const relayPatienceMs = 150_000

describe('flows of every kind', () => {
  let world: World
  let flows: Flows
  before(async function () {
    this.timeout(900_000)
    world = await sharedWorld()
    flows = new Flows(world)
    // Connections that ended are remembered for two minutes otherwise, and their relay with them.
    for (const node of world.lab.nodes) await node.run('sysctl', ['-qw', 'net.netfilter.nf_conntrack_tcp_timeout_time_wait=5'])
    await flows.deploy(1)
  })
  after(async () => {
    await flows.remove()
    await world.remove('podmigrations', '--all')
  })

  async function states(ip: string): Promise<Map<string, Set<string>>> {
    return new Map(await Promise.all(world.lab.nodes.map(async (node) => [node.name, await nodeState(node, ip)] as const)))
  }

  async function restartAgents(): Promise<void> {
    await world.kubectl('-n', 'podmotion', 'rollout', 'restart', 'daemonset/podmotion-agent')
    await world.kubectl('-n', 'podmotion', 'rollout', 'status', 'daemonset/podmotion-agent', '--timeout=120s')
  }

  function check(reports: readonly FlowReport[], moves: readonly FlowMove[]): void {
    const table = tableOf(reports).join('\n')
    expect(errorsOf(reports), table).to.deep.equal([])
    expect(Math.max(...waitsBeyondFreeze(reports, moves)), table).to.be.lessThan(beyondFreezeMs)
  }

  it('live through moves, a rollback and new agents; what is relayed is told, followed and taken away', async function () {
    this.timeout(600_000)
    const podIp = (await flows.pod()).status?.podIP ?? ''
    const before = await states(podIp)
    await flows.open({ count: 2, periodMs: 200 })
    const first = await moveOn(world)
    const status = first.migration.status
    expect(status?.flows?.translated).to.be.greaterThan(0)
    expect(status?.flows?.relayed).to.be.greaterThan(0)
    expect(status?.flows?.relayedThrough).to.deep.equal(['172.30.0.1'])
    for (const type of ['RelayProgramsLoaded', 'RelayArmed', 'ConnectionCountParity', 'TCPSequenceContinuityVerified']) {
      expect(status?.conditions?.find((one) => one.type === type)?.status, type).to.equal('True')
    }
    const undone = await moveOn(world, true)
    await restartAgents()
    const second = await moveOn(world)
    expect(second.migration.status?.flows?.relayedThrough).to.deep.equal(['172.30.0.1'])
    const home = await moveOn(world)
    expect(home.migration.status?.flows?.relayed).to.equal(0)
    check(await flows.close(), [first, undone, second, home])

    const endMs = Date.now() + relayPatienceMs
    for (;;) {
      const after = await states(podIp)
      const left = [...after].flatMap(([node, state]) =>
        differences(before.get(node) ?? new Set(), state)
          .filter((line) => /^\+ (rule|table|nft|route|conntrack)/.test(line) && !belongsToPod(line, podIp))
          .map((line) => `${node} ${line}`),
      )
      if (left.length === 0) return
      if (Date.now() > endMs) expect(left).to.deep.equal([])
      await sleep(5000)
    }
  })
})

/** Its own routes, its name in the set of movable pods, its neighbour entry and its plain connections. */
function belongsToPod(line: string, ip: string): boolean {
  return /^\+ (route|conntrack)/.test(line) ? line.includes(ip) && !line.includes('table') : /elements = |movable/.test(line)
}
