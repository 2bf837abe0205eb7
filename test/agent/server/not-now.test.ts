// When a node keeps quiet about a move, and for how long.
import { expect } from 'chai'
import type { Move } from '../../../src/agent/protocol/move.ts'
import { isBadTime, untilGoodTime } from '../../../src/agent/server/not-now.ts'
import type { MoveState, MoveStep } from '../../../src/api/agent-wire.ts'

const now = performance.timeOrigin + performance.now()

function move(role: 'source' | 'destination', state: MoveState, steps: Partial<Record<MoveStep, number>>): Move {
  return { role, state, settled: false, steps: Object.entries(steps).map(([step, atMs]) => ({ step, atMs, node: 'a' })) } as unknown as Move
}

describe('what a node tells of a move', () => {
  const cases: [string, boolean, Move][] = [
    ['at once while the pod runs', false, move('source', 'moving', { armed: now })],
    ['at once while the hold is prepared', false, move('source', 'frozen', { armed: now, presync: now })],
    ['not while its traffic is held', true, move('source', 'frozen', { held: now })],
    ['not on the destination either', true, move('destination', 'holding', { held: now })],
    ['not while it is granted', true, move('source', 'granted', { held: now, frozen: now, granted: now })],
    ['not while it has just resumed', true, move('destination', 'committed', { held: now - 300, resumed: now - 100 })],
    ['at once when those who waited have been served', false, move('destination', 'committed', { held: now - 600, resumed: now - 200 })],
    ['at once when the other node says so by a clock far ahead', false, move('source', 'committed', { held: now, resumed: now + 60_000 })],
    ['not while it is thawed by a move that goes back', true, move('source', 'aborted', { held: now, frozen: now })],
    ['not while it has just been thawed', true, move('source', 'aborted', { held: now - 300, thawed: now - 100 })],
    ['at once when it has gone back', false, move('destination', 'aborted', { held: now - 300 })],
  ]
  for (const [when, isBad, one] of cases) it(when, () => expect(isBadTime(one, now)).to.equal(isBad))

  it('waits for the end of that, and of a move that is not known not at all', async () => {
    let one: Move | undefined = move('source', 'frozen', { held: now })
    let told = false
    const waiting = untilGoodTime(() => one).then(() => {
      told = true
    })
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(told).to.equal(false)
    one = undefined
    await waiting
  })

  it('waits for a second at most', async () => {
    const began = performance.now()
    await untilGoodTime(() => move('source', 'frozen', { held: now }))
    expect(performance.now() - began)
      .to.be.greaterThan(900)
      .and.lessThan(1900)
  })
})
