import { expect } from 'chai'
import { endsAlone, foldRecord, isForgotten, mayBeLost } from '../../../src/agent/protocol/move.ts'
import type { MoveState } from '../../../src/api/agent-wire.ts'
import { destinationMove, destinationOpened, sourceMove, uid } from '../samples.ts'

describe('what the records of a move say', () => {
  it('begins with its opening: what follows another record is a broken journal', () => {
    const record = { type: 'state', atMs: 1, state: 'frozen' } as const
    expect(() => foldRecord(uid, undefined, record)).to.throw(`migration ${uid}: it starts with a state record, expected "opened"`)
  })

  it('is over from the start where nothing was known of it: a tombstone says never', () => {
    const failure = { code: 'NeverAwaited', message: 'x' }
    const move = foldRecord(uid, undefined, { type: 'tombstone', atMs: 7, failure })
    expect(move).to.deep.include({ role: 'destination', state: 'aborted', settled: true, committed: false, failure, changedAtMs: 7 })
  })

  it('must not begin without its first record, whatever the disk; a step may be lost', () => {
    const step = { type: 'step', atMs: 1, step: 'frozen', node: 'na' } as const
    const tombstone = { type: 'tombstone', atMs: 1, failure: { code: 'X', message: 'x' } } as const
    const lost = [destinationOpened, tombstone, step].map((record) => mayBeLost(destinationMove(), record))
    expect(lost).to.deep.equal([false, false, true])
    const facts = [{ stayedMB: 7 }, { mode: 'PostCopy' as const }].map((facts) =>
      mayBeLost(sourceMove(), { type: 'facts', atMs: 1, facts }),
    )
    expect(facts, 'that memory stays at the source').to.deep.equal([true, false])
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

  it('ends without a word when it was committed long ago', () => {
    const at = (state: MoveState) => ({ type: 'state', atMs: 1000, state }) as const
    const [live, committed] = [destinationMove(at('committed'), at('live')), sourceMove(at('granted'), at('committed'))]
    expect([61_000, 61_001].map((nowMs) => endsAlone(live, nowMs))).to.deep.equal([false, true])
    expect([601_000, 601_001].map((nowMs) => endsAlone(committed, nowMs))).to.deep.equal([false, true])
    const lending = { ...committed, request: { ...committed.request, mode: 'PostCopy' as const } }
    expect([86_401_000, 86_401_001].map((nowMs) => endsAlone(lending, nowMs))).to.deep.equal([false, true])
    const became = { ...committed, facts: { mode: 'PostCopy' as const } }
    expect([86_401_000, 86_401_001].map((nowMs) => endsAlone(became, nowMs))).to.deep.equal([false, true])
    for (const move of [sourceMove(at('granted')), destinationMove(at('committed'))]) expect(endsAlone(move, 1e9)).to.equal(false)
  })
})
