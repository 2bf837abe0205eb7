// Single decisions of the source, one a line.
import { expect } from 'chai'
import { decideSource, goesOn, mayLend, type SourceMessage } from '../../../src/agent/protocol/source.ts'
import type { MoveState } from '../../../src/api/agent-wire.ts'
import { sourceMove } from '../samples.ts'

function decide(states: MoveState[], message: SourceMessage, nowMs = 1000) {
  return decideSource(sourceMove(...states.map((state, index) => ({ type: 'state', atMs: index + 2, state }) as const)), message, nowMs)
}

describe('the source decides', () => {
  it('to grant within the budget', () => {
    const decision = decide(['moving', 'frozen'], { type: 'verified', frozenAtMs: 600, budgetMs: 500 })
    expect(decision.records).to.deep.equal([{ type: 'state', atMs: 1000, state: 'granted' }])
    expect(decision.actions).to.deep.equal(['sendGrant'])
  })

  it('to roll back over the budget, and says by how much', () => {
    const { records, actions } = decide(['moving', 'frozen'], { type: 'verified', frozenAtMs: 400, budgetMs: 500 })
    expect(actions).to.deep.equal(['rollBack'])
    expect(records[0]).to.deep.include({ type: 'state', state: 'aborted' })
    expect(JSON.stringify(records)).to.include('FreezeBudgetExceeded').and.include('frozen for 600 ms, over its budget of 500 ms')
  })

  it('to ask, not to thaw, when the grant failed on the wire', () => {
    const decision = decide(['moving', 'frozen', 'granted'], { type: 'failed', failure: { code: 'PeerUnreachable', message: 'x' } })
    expect(decision).to.deep.equal({ records: [], actions: ['askOutcome'] })
  })

  it('to ask, not to thaw, when it is told to give up with a grant out, and to do nothing twice', () => {
    const abort = { type: 'abort', reason: 'x' } as const
    expect(decide(['moving', 'frozen', 'granted'], abort)).to.deep.equal({ records: [], actions: ['askOutcome'] })
    expect(decide(['moving', 'aborted'], abort)).to.deep.equal({ records: [], actions: [] })
  })

  it('to ask, not to thaw, after a restart with a grant out', () => {
    expect(decide(['moving', 'frozen', 'granted'], { type: 'restarted' }).actions).to.deep.equal(['askOutcome'])
  })

  it('to roll back after a restart before the grant', () => {
    for (const states of [[], ['moving'], ['moving', 'frozen']] as MoveState[][])
      expect(decide(states, { type: 'restarted' }).actions, String(states)).to.deep.equal(['rollBack'])
  })

  it('to refuse finishing as aborted what may be committed', () => {
    for (const states of [['granted'], ['granted', 'committed']] as MoveState[][]) {
      const decision = decide(['moving', 'frozen', ...states], { type: 'finish', outcome: 'aborted' })
      expect(decision.refused?.code).to.equal('WrongState')
      expect(decision.actions).to.deep.equal([])
    }
  })

  it('to undo, however often it is finished, until it is undone', () => {
    for (const more of [[], ['finished']] as const)
      expect(decide(['moving', 'frozen', 'aborted', ...more], { type: 'finish', outcome: 'aborted' }).actions).to.deep.equal(['rollBack'])
  })

  it('to refuse finishing as committed what was never granted', () => {
    expect(decide(['moving', 'frozen'], { type: 'finish', outcome: 'committed' }).refused?.code).to.equal('WrongState')
  })

  it('to end the source once the move is committed', () => {
    const decision = decide(['moving', 'frozen', 'granted', 'committed'], { type: 'finish', outcome: 'committed' })
    expect(decision.actions).to.deep.equal(['endSource'])
  })

  it('to thaw on the word that the destination is gone', () => {
    expect(decide(['moving', 'frozen', 'granted'], { type: 'resolve', verdict: 'destinationGone' }).actions).to.deep.equal(['rollBack'])
    expect(decide(['moving', 'frozen', 'granted', 'committed'], { type: 'resolve', verdict: 'destinationGone' }).actions).to.deep.equal([])
  })

  it('to lend what stayed with it from the grant until it is ended, in mode PostCopy alone', () => {
    const states = ['moving', 'frozen', 'granted', 'committed', 'finished'] as const
    const moves = states.map((_, last) =>
      sourceMove(...states.slice(0, last + 1).map((state) => ({ type: 'state', atMs: 1, state }) as const)),
    )
    const asked = (mode: 'PreCopy' | 'PostCopy') => moves.map((move) => mayLend({ ...move, request: { ...move.request, mode } }))
    expect(asked('PostCopy')).to.deep.equal([false, false, true, true, false])
    expect(asked('PreCopy').includes(true)).to.equal(false)
    const became = moves.map((move) => mayLend({ ...move, facts: { mode: 'PostCopy' } }))
    expect(became, 'when its memory did not converge').to.deep.equal(asked('PostCopy'))
  })

  it('what to say when it is asked whether it goes on', () => {
    const said = (states: MoveState[]) =>
      goesOn(sourceMove(...states.map((state, index) => ({ type: 'state', atMs: index + 2, state }) as const)))
    for (const states of [
      ['moving', 'frozen', 'granted', 'aborted'],
      ['moving', 'frozen', 'granted', 'aborted', 'finished'],
    ] as MoveState[][])
      expect(said(states)).to.equal(true)
    for (const states of [
      ['moving', 'frozen', 'granted'],
      ['moving', 'frozen', 'granted', 'committed'],
      ['moving', 'frozen', 'granted', 'committed', 'finished'],
    ] as MoveState[][])
      expect(said(states)).to.equal(false)
  })
})
