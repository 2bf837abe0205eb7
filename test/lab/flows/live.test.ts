// Minutes long, so a command of its own (`make live-flows`). A pod with flows of every kind, its own to Services and to the outside among them, over both families where the lab has them, moves on, is rolled back and comes home: nobody notices.
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { node } from '../hosts.ts'
import { differences, statesOf } from '../product/node-state.ts'
import { moveOn } from './moves.ts'
import { expectUndisturbed, flowsSetting } from './setting.ts'

/** The agent looks for relays without flows once a minute. */
const relayPatienceMs = 150_000

describe('flows of every kind', () => {
  const setting = flowsSetting()

  async function restartAgents(): Promise<void> {
    await setting.world.kubectl('-n', 'podmotion', 'rollout', 'restart', 'daemonset/podmotion-agent')
    await setting.world.kubectl('-n', 'podmotion', 'rollout', 'status', 'daemonset/podmotion-agent', '--timeout=120s')
  }

  it('live through moves, a rollback and new agents; what is relayed is told, followed and taken away', async function () {
    this.timeout(600_000)
    const { world, flows } = setting
    const podIps = await flows.podIps()
    const families = world.lab.options.stack === 'dual' ? 2 : 1
    expect(podIps).to.have.length(families)
    const nodeIps = [node(1).address, node(1).address6].slice(0, families)
    const before = await statesOf(setting.world.lab.nodes, ...podIps)
    await flows.open({ count: 2, periodMs: 200 })
    const first = await moveOn(world)
    const status = first.migration.status
    expect(status?.flows?.translated).to.be.greaterThan(0)
    expect(status?.flows?.relayed).to.be.greaterThan(0)
    expect(status?.flows?.relayedThrough).to.deep.equal(nodeIps)
    for (const type of ['RelayProgramsLoaded', 'RelayArmed', 'ConnectionCountParity', 'TCPSequenceContinuityVerified']) {
      expect(status?.conditions?.find((one) => one.type === type)?.status, type).to.equal('True')
    }
    const undone = await moveOn(world, true)
    await restartAgents()
    const second = await moveOn(world)
    expect(second.migration.status?.flows?.relayedThrough).to.deep.equal(nodeIps)
    const home = await moveOn(world)
    expect(home.migration.status?.flows?.relayed).to.equal(0)
    const reports = await flows.close()
    expectUndisturbed(reports, [first, undone, second, home])
    const kinds = new Set(reports.map(({ kind }) => kind))
    expect([...kinds].filter((kind) => kind.endsWith(' v6'))).to.have.length((kinds.size / families) * (families - 1))
    expect(await flows.podIps()).to.deep.equal(podIps)

    const endMs = Date.now() + relayPatienceMs
    for (;;) {
      const after = await statesOf(setting.world.lab.nodes, ...podIps)
      const left = [...after].flatMap(([node, state]) =>
        differences(before.get(node) ?? new Set(), state)
          .filter((line) => /^\+ (rule|table|nft|route|conntrack)/.test(line) && !belongsToPod(line, podIps))
          .map((line) => `${node} ${line}`),
      )
      if (left.length === 0) return
      if (Date.now() > endMs) expect(left).to.deep.equal([])
      await sleep(5000)
    }
  })
})

/** Its own routes, its name in the set of movable pods, its neighbour entry and its plain connections. */
function belongsToPod(line: string, ips: readonly string[]): boolean {
  return /^\+ (route|conntrack)/.test(line)
    ? ips.some((ip) => line.includes(ip)) && !line.includes('table')
    : /elements = |movable/.test(line)
}
