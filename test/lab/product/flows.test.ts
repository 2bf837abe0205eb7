// A pod with flows of every kind moves on, and one of their ways is cut: the check of the flows has to see it.
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { Flows } from '../flows/flows.ts'
import { moveOn } from '../flows/moves.ts'
import { errorsOf } from '../flows/summary.ts'
import { said } from '../said.ts'
import { sharedWorld } from './shared-lab.ts'
import type { World } from './world.ts'

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

  it('are lost when the way through the other node is gone: the check sees it', async function () {
    this.timeout(180_000)
    await flows.open({ count: 1, periodMs: 200 })
    const move = await moveOn(world)
    const here = world.lab.node(move.migration.status?.destinationNode ?? '')
    expect((await said(here.run('ip', ['rule']))).stdout).to.contain('lookup 28673')
    await here.run('ip', ['rule', 'del', 'pref', '90'])
    await sleep(17_000)
    const errors = errorsOf(await flows.close())
    expect(errors.some((error) => error.startsWith('moved->outside '))).to.equal(true)
    expect(errors.filter((error) => !/^moved->outside |local node port/.test(error))).to.deep.equal([])
  })
})
