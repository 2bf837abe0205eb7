// What pgbench does while memory is copied ahead, by its own log.
import { expect } from 'chai'
import { trackedShare } from '../../../bench/freeze/round.ts'

describe('bench/freeze rounds', () => {
  it('compares the rate of transactions with that of before the move, without the first second of pgbench', () => {
    const every = (stepMs: number, fromMs: number, untilMs: number): { client: number; endMs: number }[] =>
      Array.from({ length: (untilMs - fromMs) / stepMs }, (_, index) => ({ client: 1, endMs: fromMs + (index + 1) * stepMs }))
    const log = [...every(500, 6000, 7000), ...every(10, 7000, 10_000), ...every(20, 12_000, 13_000)]
    expect(trackedShare(log, 10_000, { fromMs: 12_000, untilMs: 13_000 })).to.equal(0.5)
    expect(trackedShare(log, 10_000, undefined)).to.equal(undefined)
  })
})
