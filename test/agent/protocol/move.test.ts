import { expect } from 'chai'
import { foldRecord, isForgotten } from '../../../src/agent/protocol/move.ts'
import { destinationOpened, uid } from '../samples.ts'

describe('what the records of a move say', () => {
  it('begins with its opening: what follows another record is a broken journal', () => {
    const record = { type: 'state', atMs: 1, state: 'frozen' } as const
    expect(() => foldRecord(uid, undefined, record)).to.throw(`migration ${uid}: it starts with a state record, expected "opened"`)
  })

  it('is forgotten when it waits for longer than its migration may take', () => {
    // Its migration may take 30 s.
    const awaiting = foldRecord(uid, undefined, { ...destinationOpened, atMs: 0 })
    const standing = foldRecord(uid, awaiting, { type: 'state', atMs: 1000, state: 'standing' })
    const holding = foldRecord(uid, standing, { type: 'state', atMs: 2000, state: 'holding' })
    expect([90_000, 90_001].map((nowMs) => isForgotten(awaiting, nowMs))).to.deep.equal([false, true])
    expect([91_000, 91_001].map((nowMs) => isForgotten(standing, nowMs))).to.deep.equal([false, true])
    expect(isForgotten(holding, 1e9)).to.equal(false)
  })
})
