// A pod with flows of every kind moves on and is rolled back: nobody notices. Then one of their ways is cut, and the check has to see it.
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { moveOn } from '../flows/moves.ts'
import { expectUndisturbed, flowsSetting } from '../flows/setting.ts'
import { errorsOf } from '../flows/summary.ts'
import type { Machine } from '../machine.ts'
import { said } from '../said.ts'

describe('flows of every kind', () => {
  const setting = flowsSetting()

  it('live through a move and a rollback', async function () {
    this.timeout(180_000)
    const { world, flows } = setting
    await flows.open({ count: 1, periodMs: 200 })
    const moved = await moveOn(world)
    expect(moved.migration.status?.flows?.translated).to.be.greaterThan(0)
    expect(moved.migration.status?.flows?.relayedThrough).to.deep.equal(['172.30.0.1'])
    const undone = await moveOn(world, true)
    expectUndisturbed(await flows.close(), [moved, undone])
  })

  it('are lost when the way through the other node is gone: the check sees it', async function () {
    this.timeout(180_000)
    const { world, flows } = setting
    await flows.open({ count: 1, periodMs: 200 })
    const move = await moveOn(world)
    await cutRelays(world.lab.node(move.migration.status?.destinationNode ?? ''))
    await sleep(17_000)
    const errors = errorsOf(await flows.close())
    expect(errors.some((error) => error.startsWith('moved->outside '))).to.equal(true)
    expect(errors.filter((error) => !/^moved->outside |local node port/.test(error))).to.deep.equal([])
  })
})

async function cutRelays(node: Machine): Promise<void> {
  expect((await said(node.run('ip', ['rule']))).stdout).to.match(/lookup 2867\d/)
  await node.run('sh', ['-c', 'while ip rule del pref 90 2>/dev/null; do :; done'])
}
