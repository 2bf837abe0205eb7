// The destination's half of "who owns the pod": it commits once, only with a grant, or never. Pure: time is a number.
import type { MoveState } from '../../api/agent-wire.ts'
import type { DestinationMove, Failure, JournalRecord } from './move.ts'
import type { Decision } from './source.ts'

export type DestinationMessage =
  | { type: 'standing' }
  | { type: 'hold' }
  | { type: 'restore' }
  /** All gates reached, sockets counted. */
  | { type: 'held' }
  /** heldAtMs and nowMs are of this node's own timer. */
  | { type: 'grant'; heldAtMs: number | undefined; deadlineMs: number }
  | { type: 'deadlinePassed' }
  | { type: 'outcomeAsked' }
  | { type: 'failed'; failure: Failure }
  | { type: 'abort'; reason: string }
  | { type: 'live' }
  | { type: 'finish'; outcome: 'committed' | 'aborted' }
  | { type: 'restarted' }

/** release: gates go, packets in and processes on. giveUp: gates abort, stand-ins quit, hold undone, images removed. */
export type DestinationAction = 'hold' | 'restore' | 'awaitGrant' | 'release' | 'giveUp' | 'watchStanding' | 'cleanUp'

type Answer = Decision<DestinationAction>

const beforeCommit: readonly MoveState[] = ['awaiting', 'standing', 'holding', 'restoring', 'held']
/** What each request needs to find. */
const order = { hold: ['standing'], restore: ['holding'], held: ['restoring'], standing: ['awaiting'] } as const

export function decideDestination(move: DestinationMove, message: DestinationMessage, nowMs: number): Answer {
  switch (message.type) {
    case 'standing':
      return follow(move, order.standing, 'standing', nowMs, [])
    case 'hold':
      return follow(move, order.hold, 'holding', nowMs, ['hold'])
    case 'restore':
      return follow(move, order.restore, 'restoring', nowMs, ['restore'])
    case 'held':
      return follow(move, order.held, 'held', nowMs, ['awaitGrant'])
    case 'grant':
      return onGrant(move, message, nowMs)
    case 'deadlinePassed':
      return move.state === 'held' ? never(nowMs, 'the grant did not come before its deadline') : nothing
    case 'outcomeAsked':
      return isBeforeCommit(move) ? never(nowMs, 'the source asked for the outcome before a grant arrived') : nothing
    case 'failed':
      return isBeforeCommit(move) ? giveUp(nowMs, message.failure) : nothing
    case 'abort':
      return onAbort(move, message.reason, nowMs)
    case 'live':
      return follow(move, ['committed'], 'live', nowMs, [])
    case 'finish':
      return onFinish(move, message.outcome, nowMs)
    case 'restarted':
      return onRestarted(move, nowMs)
  }
}

/** Its answer to "did you commit?": final in both directions once it was given. */
export function outcomeOf(move: DestinationMove): 'committed' | 'never' | 'open' {
  if (move.committed) return 'committed'
  return isBeforeCommit(move) ? 'open' : 'never'
}

/** A grant that cannot be used must never be usable later, so it ends the move. */
function onGrant(move: DestinationMove, message: DestinationMessage & { type: 'grant' }, nowMs: number): Answer {
  if (!isBeforeCommit(move)) return nothing
  if (move.state !== 'held') return never(nowMs, `the grant came while ${move.state}`)
  if (message.heldAtMs === undefined || nowMs - message.heldAtMs > message.deadlineMs)
    return never(nowMs, 'the grant came after its deadline')
  return { records: [state('committed', nowMs)], actions: ['release'] }
}

function onAbort(move: DestinationMove, reason: string, nowMs: number): Answer {
  if (isBeforeCommit(move)) return giveUp(nowMs, { code: 'Aborted', message: reason })
  return move.committed ? refuse(move, 'abort') : repeatGiveUp(move)
}

function onFinish(move: DestinationMove, outcome: 'committed' | 'aborted', nowMs: number): Answer {
  if (move.state === 'finished') return move.settled ? nothing : { records: [], actions: [move.committed ? 'cleanUp' : 'giveUp'] }
  if (outcome === 'committed') return move.state === 'live' ? finish(nowMs) : refuse(move, 'finish as committed')
  if (move.committed) return refuse(move, 'finish as aborted')
  if (move.state === 'aborted') return { records: [state('finished', nowMs)], actions: move.settled ? ['cleanUp'] : ['giveUp'] }
  const failure = { code: 'Aborted', message: 'Receiving: the controller ended the migration' }
  return { records: [state('aborted', nowMs, failure), state('finished', nowMs)], actions: ['giveUp'] }
}

/** Half-done work before `held` hangs on the source's connection, which is gone; `held` waits at the gates without us. */
function onRestarted(move: DestinationMove, nowMs: number): Answer {
  if (move.state === 'awaiting' || move.state === 'standing') return { records: [], actions: ['watchStanding'] }
  if (move.state === 'held') return { records: [], actions: ['awaitGrant'] }
  if (isBeforeCommit(move))
    return giveUp(nowMs, { code: 'AgentRestarted', message: `Receiving: the destination agent restarted while ${move.state}: try again` })
  if (move.state === 'committed') return { records: [], actions: ['release'] }
  if (move.settled || move.state === 'live') return nothing
  return { records: [], actions: [move.committed ? 'cleanUp' : 'giveUp'] }
}

function repeatGiveUp(move: DestinationMove): Answer {
  return move.settled ? nothing : { records: [], actions: ['giveUp'] }
}

function isBeforeCommit(move: DestinationMove): boolean {
  return beforeCommit.includes(move.state)
}

/** Asked twice is answered twice: only the first time does something. */
function follow(move: DestinationMove, from: readonly MoveState[], to: MoveState, nowMs: number, actions: DestinationAction[]): Answer {
  if (from.includes(move.state)) return { records: [state(to, nowMs)], actions }
  return refuse(move, `become ${to}`)
}

function never(nowMs: number, why: string): Answer {
  return giveUp(nowMs, { code: 'NeverCommitted', message: `Receiving: ${why}, so this copy never runs: try again` })
}

function giveUp(nowMs: number, failure: Failure): Answer {
  return { records: [state('aborted', nowMs, failure)], actions: ['giveUp'] }
}

function finish(nowMs: number): Answer {
  return { records: [state('finished', nowMs)], actions: ['cleanUp'] }
}

const nothing: Answer = { records: [], actions: [] }

function state(to: MoveState, atMs: number, failure?: Failure): JournalRecord {
  return { type: 'state', atMs, state: to, ...(failure ? { failure } : {}) }
}

function refuse(move: DestinationMove, what: string): Answer {
  const message = `Asked to ${what}: the destination of migration ${move.uid} is ${move.state}, so it does not`
  return { records: [], actions: [], refused: { code: 'WrongState', message } }
}
