// What the memory benchmark makes of its moves.
import { expect } from 'chai'
import { byCase, caseLine, estimateError, lastLine } from '../../../bench/memory/figures.ts'
import type { Measured } from '../../../bench/memory/measure.ts'

const move = (change: Partial<Measured> = {}): Measured => ({
  sizeMB: 50,
  kind: 'private',
  load: 'idle',
  by: 'ours',
  from: 'node-1',
  to: 'node-2',
  freezeMs: 200,
  frozenMs: 160,
  estimatedMs: 200,
  localMs: 30,
  breakdown: '',
  failure: undefined,
  ...change,
})
const plain = { by: 'plain', frozenMs: undefined, estimatedMs: undefined, localMs: undefined } as const

describe('the figures of the memory benchmark', () => {
  it('are of the median, so that one slow move does not count for all', () =>
    expect(estimateError([move(), move(), move({ frozenMs: 900 })])).to.equal(0.25))

  it('have no error where there was no estimate', () => expect(estimateError([move(plain)])).to.equal(undefined))

  it('keep what was moved by script apart', () =>
    expect([...byCase([move(), move(plain), move()]).values()].map(({ length }) => length)).to.deep.equal([2, 1]))

  it('say what a case was estimated at', () =>
    expect(caseLine([move(), move({ freezeMs: 220 })])).to.match(
      /^50 MB private idle .*2 moves .*p50 210 ms \(200 ms to 220 ms\).*\+25 %.*local after 30 ms$/,
    ))

  it('end in one line', () => {
    const large = { sizeMB: 4096, freezeMs: 250, frozenMs: 240, estimatedMs: 160 }
    const moves = [move(), move({ ...plain, freezeMs: 800 }), move(large), move({ ...large, load: '10 %/s', failure: 'it failed' })]
    expect(lastLine(moves)).to.equal(
      'memory: heaps 50 MB/4 GB · idle freeze 200/250 ms · ratio 4 GB to 50 MB 1.25 · ratio 50 MB to plain 0.25 · estimates within 30 %: 1 of 3 · failed 1',
    )
  })

  it('are dashes where nothing was measured', () =>
    expect(lastLine([move({ freezeMs: undefined, frozenMs: undefined, failure: 'no' })]))
      .to.contain('idle freeze - ms')
      .and.contain('0 of 1'))
})
