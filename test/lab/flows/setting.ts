// What the tests of flows share: the pods deployed before them and removed after them, and what must be true of flows that went through moves.
import { expect } from 'chai'
import { sharedWorld } from '../product/shared-lab.ts'
import type { World } from '../product/world.ts'
import { type FlowReport, Flows } from './flows.ts'
import { errorsOf, type MoveTimes, tableOf, waitsBeyondFreeze } from './summary.ts'

/** One machine plays all nodes, often for other tests too: how short the waits are is the benchmark's to tell. Here nothing may hang. */
const beyondFreezeMs = 5000

export interface FlowsSetting {
  world: World
  flows: Flows
}

/** Filled when the tests of the surrounding `describe` begin. */
export function flowsSetting(): FlowsSetting {
  const setting = {} as FlowsSetting
  before(async function () {
    this.timeout(900_000)
    setting.world = await sharedWorld()
    setting.flows = new Flows(setting.world)
    // Connections that ended are remembered for two minutes otherwise, and their relay with them.
    for (const node of setting.world.lab.nodes) await node.run('sysctl', ['-qw', 'net.netfilter.nf_conntrack_tcp_timeout_time_wait=5'])
    await setting.flows.deploy(1)
  })
  after(async () => {
    await setting.flows.remove()
    await setting.world.remove('podmigrations', '--all')
  })
  return setting
}

export function expectUndisturbed(reports: readonly FlowReport[], moves: readonly MoveTimes[]): void {
  const table = tableOf(reports).join('\n')
  expect(errorsOf(reports), table).to.deep.equal([])
  expect(Math.max(...waitsBeyondFreeze(reports, moves)), table).to.be.lessThan(beyondFreezeMs)
}
