// What former moves teach a policy: no going back, no move too many, no trying again at once where it failed.
import { expect } from 'chai'
import type { PodMigration } from '../../src/api/pod-migration.ts'
import { MoveHistory } from '../../src/descheduler/history.ts'
import { at, migration, nowMs } from '../extender/cluster.ts'

const minute = 60_000

let count = 0
function ended(uid: string, newUid: string, from: string, to: string, agoMs: number, phase = 'Complete'): PodMigration {
  const status = { phase, completedAt: at(-agoMs), sourcePodUID: uid, destinationPodUID: newUid, sourceNode: from, destinationNode: to }
  return migration(`shop/m${count++}`, uid, { status })
}

const history = (...migrations: PodMigration[]) => new MoveHistory(migrations, nowMs)

describe('the history of moves', () => {
  const there = ended('u1', 'u2', 'a', 'b', 20 * minute)
  const andBack = ended('u2', 'u3', 'b', 'a', 10 * minute)

  it('follows a pod through its UIDs', () => {
    expect(history(there, andBack).countMoves('u3')).to.equal(2)
    expect(history(there, andBack).countMoves('u2')).to.equal(1)
    expect(history(there, andBack).countMoves('u1')).to.equal(0)
    expect(history(there, andBack).countMoves('u3', 15 * minute)).to.equal(1)
  })

  it('knows where a pod was less than an hour ago', () => {
    expect(history(there).wasOn('u2', 'a')).to.equal(true)
    expect(history(there).wasOn('u2', 'c')).to.equal(false)
    expect(history(ended('u1', 'u2', 'a', 'b', 61 * minute)).wasOn('u2', 'a')).to.equal(false)
  })

  it('counts moves that were undone', () => {
    expect(history(there).countUndone()).to.equal(0)
    expect(history(there, andBack).countUndone()).to.equal(1)
    expect(history(ended('u1', 'u2', 'a', 'b', 80 * minute), andBack).countUndone()).to.equal(0)
  })

  it('does not go round for ever when UIDs do', () => {
    expect(history(ended('u1', 'u2', 'a', 'b', minute), ended('u2', 'u1', 'b', 'a', minute)).countMoves('u1')).to.equal(2)
  })

  it('backs off a pod and node that failed together, twice as long each time', () => {
    const failed = (agoMs: number) => ended('u1', '', 'a', 'b', agoMs, 'RolledBack')
    expect(history(failed(4 * minute)).backsOff('u1', 'b')).to.equal(true)
    expect(history(failed(4 * minute)).backsOff('u1', 'c')).to.equal(false)
    expect(history(failed(6 * minute)).backsOff('u1', 'b')).to.equal(false)
    expect(history(failed(20 * minute), failed(6 * minute)).backsOff('u1', 'b')).to.equal(true)
    expect(history(failed(60 * minute), failed(11 * minute)).backsOff('u1', 'b')).to.equal(false)
    const often = Array.from({ length: 20 }, () => failed(5 * 60 * minute))
    expect(history(...often).backsOff('u1', 'b')).to.equal(true)
    expect(history(...often.map(() => failed(361 * minute))).backsOff('u1', 'b')).to.equal(false)
  })

  it('knows which nodes gave and took', () => {
    expect(history(there).hasGiven('a', 30 * minute)).to.equal(true)
    expect(history(there).hasGiven('a', 10 * minute)).to.equal(false)
    expect(history(there).hasReceived('b', 30 * minute)).to.equal(true)
    expect(history(there).hasReceived('a', 30 * minute)).to.equal(false)
  })

  it('leaves dry runs and unfinished moves out', () => {
    const open = migration('shop/open', 'u1', { status: { phase: 'PreCopyMemory', sourcePodUID: 'u1', destinationNode: 'b' } })
    expect(history(open, { ...there, spec: { ...there.spec, dryRun: true } }).countMoves('u2')).to.equal(0)
  })
})
