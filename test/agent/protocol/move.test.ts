import { expect } from 'chai'
import { foldRecord } from '../../../src/agent/protocol/move.ts'
import { uid } from '../samples.ts'

describe('what the records of a move say', () => {
  it('begins with its opening: what follows another record is a broken journal', () => {
    const record = { type: 'state', atMs: 1, state: 'frozen' } as const
    expect(() => foldRecord(uid, undefined, record)).to.throw(`migration ${uid}: it starts with a state record, expected "opened"`)
  })
})
