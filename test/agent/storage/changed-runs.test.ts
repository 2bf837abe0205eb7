// What of a piece has to be sent again: a patched copy is the piece, and what is equal stays at home.
import { expect } from 'chai'
import fc from 'fast-check'
import { blockBytes, changedRuns } from '../../../src/agent/storage/changed-runs.ts'

describe('runs of changed blocks', () => {
  it('none for the same', () => expect(changedRuns(Buffer.alloc(10_000, 1), Buffer.alloc(10_000, 1))).to.deep.equal([]))

  it('one block for one byte, clipped at the end', () => {
    const now = Buffer.alloc(3 * blockBytes + 10)
    const before = Buffer.from(now)
    now[blockBytes + 5] = 1
    expect(changedRuns(now, before)).to.deep.equal([{ at: blockBytes, length: blockBytes }])
    now[blockBytes + 5] = 0
    now[3 * blockBytes] = 1
    expect(changedRuns(now, before)).to.deep.equal([{ at: 3 * blockBytes, length: 10 }])
  })

  it('joins what is near, and leaves out what is far', () => {
    const now = Buffer.alloc(64 * blockBytes)
    const before = Buffer.from(now)
    for (const block of [1, 4, 40]) now[block * blockBytes] = 1
    expect(changedRuns(now, before)).to.deep.equal([
      { at: blockBytes, length: 4 * blockBytes },
      { at: 40 * blockBytes, length: blockBytes },
    ])
  })

  it('makes the old the new', () => {
    const bytes = fc.uint8Array({ maxLength: 5 * blockBytes })
    fc.assert(
      fc.property(bytes, bytes, fc.nat(), (one, other, keep) => {
        const now = Buffer.from(one)
        const before = Buffer.concat([now.subarray(0, keep % (now.length + 1)), other])
        const patched = Buffer.concat([before, Buffer.alloc(Math.max(0, now.length - before.length))]).subarray(0, now.length)
        for (const { at, length } of changedRuns(now, before)) now.copy(patched, at, at, at + length)
        expect(patched.equals(now)).to.equal(true)
      }),
      { numRuns: 50 },
    )
  })
})
