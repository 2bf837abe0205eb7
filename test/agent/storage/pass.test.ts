import { expect } from 'chai'
import { doubtOf } from '../../../src/agent/storage/pass.ts'

const pass = (clockOffsetMs: number) => ({ listing: new Map(), sinceMs: 0, clockOffsetMs })

describe('a pass over files', () => {
  it('builds on the one before, unless that was none or the wall clock was set meanwhile', () => {
    expect(doubtOf(pass(1000), pass(1004.9))).to.equal(undefined)
    expect(doubtOf(undefined, pass(0))).to.equal('no pass before saw all its files to their end')
    expect(doubtOf(pass(1000), pass(994))).to.equal('the wall clock was set by -6.0 ms')
  })
})
