// Single decisions of the destination, one a line.
import { expect } from 'chai'
import { type DestinationMessage, decideDestination, outcomeOf } from '../../../src/agent/protocol/destination.ts'
import type { DestinationMove } from '../../../src/agent/protocol/move.ts'
import type { MoveState } from '../../../src/api/agent-wire.ts'
import { destinationMove } from '../samples.ts'

const toHeld: MoveState[] = ['standing', 'holding', 'restoring', 'held']

function move(states: MoveState[]) {
  return destinationMove(...states.map((state, index) => ({ type: 'state', atMs: index + 2, state }) as const))
}

function decide(states: MoveState[], message: DestinationMessage, nowMs = 1000) {
  return decideDestination(move(states), message, nowMs)
}

describe('the destination decides', () => {
  it('to commit with a grant in time', () => {
    const decision = decide(toHeld, { type: 'grant', heldAtMs: 950, deadlineMs: 100 })
    expect(decision.records).to.deep.equal([{ type: 'state', atMs: 1000, state: 'committed' }])
    expect(decision.actions).to.deep.equal(['release'])
  })

  it('never to commit with a grant after its deadline', () => {
    const { records, actions } = decide(toHeld, { type: 'grant', heldAtMs: 800, deadlineMs: 100 })
    expect(actions).to.deep.equal(['giveUp'])
    expect(records[0]).to.deep.include({ state: 'aborted' })
  })

  it('never to commit with a grant that comes before it holds everything', () => {
    expect(decide(['standing', 'holding', 'restoring'], { type: 'grant', heldAtMs: 999, deadlineMs: 100 }).actions).to.deep.equal([
      'giveUp',
    ])
  })

  it('to answer a second grant as the first', () => {
    expect(decide([...toHeld, 'committed', 'live'], { type: 'grant', heldAtMs: 1, deadlineMs: 1 })).to.deep.equal({
      records: [],
      actions: [],
    })
  })

  it('never, when it is asked before it committed', () => {
    expect(decide(toHeld, { type: 'outcomeAsked' }).records[0]).to.deep.include({ state: 'aborted' })
    expect(decide([...toHeld, 'committed'], { type: 'outcomeAsked' }).records).to.deep.equal([])
  })

  it('to finish a commit after a restart', () => {
    expect(decide([...toHeld, 'committed'], { type: 'restarted' }).actions).to.deep.equal(['release'])
  })

  it('to wait for its pod again after a restart', () => {
    for (const states of [[], ['standing']] as MoveState[][])
      expect(decide(states, { type: 'restarted' })).to.deep.equal({ records: [], actions: ['watchStanding'] })
  })

  it('to do after a restart what the end still asks for, and nothing that is done', () => {
    const [committed, aborted] = [[...toHeld, 'committed', 'live'] as MoveState[], ['standing', 'aborted'] as MoveState[]]
    const restarted = (move: DestinationMove) => decideDestination(move, { type: 'restarted' }, 1000).actions
    expect(restarted(move(committed))).to.deep.equal([])
    expect(restarted(move([...committed, 'finished']))).to.deep.equal(['cleanUp'])
    expect(restarted(move(aborted))).to.deep.equal(['giveUp'])
    for (const states of [aborted, [...committed, 'finished'] as MoveState[]])
      expect(restarted({ ...move(states), settled: true })).to.deep.equal([])
  })

  it('to finish what lives, and to refuse that of what does not yet', () => {
    const finish = { type: 'finish', outcome: 'committed' } as const
    expect(decide([...toHeld, 'committed', 'live'], finish)).to.deep.equal({
      records: [{ type: 'state', atMs: 1000, state: 'finished' }],
      actions: ['cleanUp'],
    })
    expect(decide([...toHeld, 'committed'], finish).refused?.message).to.include('finish as committed')
    expect(decide(toHeld, finish).refused?.code).to.equal('WrongState')
  })

  it('to refuse an abort after the commit', () => {
    expect(decide([...toHeld, 'committed', 'live'], { type: 'abort', reason: 'x' }).refused?.code).to.equal('WrongState')
  })

  it('to refuse holding before its pod stands', () => {
    expect(decide([], { type: 'hold' }).refused?.message).to.include('is awaiting')
  })

  it('to name the outcome', () => {
    expect(outcomeOf(move(toHeld))).to.equal('open')
    expect(outcomeOf(move([...toHeld, 'committed', 'live', 'finished']))).to.equal('committed')
    expect(outcomeOf(move(['standing', 'aborted', 'finished']))).to.equal('never')
  })
})
