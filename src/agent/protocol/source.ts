// The source's half of "who owns the pod": what it journals and does for each message. Pure: time is a number.
import type { MoveState } from '../../api/agent-wire.ts'
import { type Failure, type JournalRecord, modeOf, type SourceMove } from './move.ts'

export type SourceMessage =
  | { type: 'proceed'; to: 'moving' }
  /** About to freeze; from the record on a restart has something to thaw. */
  | { type: 'freeze' }
  /** Everything is proven while held: may the destination have it? */
  | { type: 'verified'; frozenAtMs: number; budgetMs: number }
  | { type: 'failed'; failure: Failure }
  | { type: 'abort'; reason: string }
  | { type: 'outcome'; outcome: 'committed' | 'never'; failure?: Failure }
  | { type: 'resolve'; verdict: 'committed' | 'destinationGone' }
  | { type: 'finish'; outcome: 'committed' | 'aborted' }
  | { type: 'restarted' }

/** rollBack: undo the network, tell the destination to give up, thaw. Only ever asked for when nothing can commit any more. */
export type SourceAction = 'freeze' | 'sendGrant' | 'rollBack' | 'askOutcome' | 'endSource' | 'cleanUp'

export interface Decision<Action> {
  records: JournalRecord[]
  actions: Action[]
  refused?: Failure
}

const beforeGrant = ['preparing', 'moving', 'frozen']

export function decideSource(move: SourceMove, message: SourceMessage, nowMs: number): Decision<SourceAction> {
  switch (message.type) {
    case 'proceed':
      return move.state === 'preparing' ? become('moving', nowMs, []) : refuse(move, 'start moving')
    case 'freeze':
      return move.state === 'moving' ? become('frozen', nowMs, ['freeze']) : refuse(move, 'freeze')
    case 'verified':
      return onVerified(move, message, nowMs)
    case 'failed':
      return onFailed(move, message.failure, nowMs)
    case 'abort':
      return onAbort(move, message.reason, nowMs)
    case 'outcome':
      return onOutcome(move, message.outcome, message.failure, nowMs)
    case 'resolve':
      return onOutcome(move, message.verdict === 'committed' ? 'committed' : 'never', resolved(message.verdict), nowMs)
    case 'finish':
      return onFinish(move, message.outcome, nowMs)
    case 'restarted':
      return onRestarted(move, nowMs)
  }
}

function onVerified(move: SourceMove, message: SourceMessage & { type: 'verified' }, nowMs: number): Decision<SourceAction> {
  if (move.state !== 'frozen') return refuse(move, 'grant')
  const frozenMs = nowMs - message.frozenAtMs
  if (frozenMs <= message.budgetMs) return become('granted', nowMs, ['sendGrant'])
  const text = `Moving: the pod was frozen for ${Math.round(frozenMs)} ms, over its budget of ${message.budgetMs} ms, before the destination could commit: raise freezeWindowBudgetMs or move it when it is idle`
  return abort(nowMs, { code: 'FreezeBudgetExceeded', message: text })
}

/** After the grant a failure proves nothing: the destination may have committed. One that was given up before is undone now that it has ended. */
function onFailed(move: SourceMove, failure: Failure, nowMs: number): Decision<SourceAction> {
  if (beforeGrant.includes(move.state)) return abort(nowMs, failure)
  if (isToBeUndone(move)) return { records: [], actions: ['rollBack'] }
  return { records: [], actions: move.state === 'granted' ? ['askOutcome'] : [] }
}

/** Given up, perhaps even finished by the controller, while a step of the move was still running: nothing of it is undone yet. */
export function isToBeUndone(move: SourceMove): boolean {
  return !move.settled && !move.committed && (move.state === 'aborted' || move.state === 'finished')
}

/** It has its pod again, although it may have granted it: what a destination asks that committed and has nothing left of what it restored. */
export function goesOn(move: SourceMove): boolean {
  return !move.committed && (move.state === 'aborted' || move.state === 'finished')
}

/** The destination may run, and lack what stayed with the frozen processes here. */
export function mayLend(move: SourceMove): boolean {
  return modeOf(move) === 'PostCopy' && (move.state === 'granted' || move.state === 'committed')
}

function onAbort(move: SourceMove, reason: string, nowMs: number): Decision<SourceAction> {
  if (beforeGrant.includes(move.state)) return abort(nowMs, { code: 'Aborted', message: reason })
  return { records: [], actions: move.state === 'granted' ? ['askOutcome'] : [] }
}

function onOutcome(move: SourceMove, outcome: 'committed' | 'never', failure: Failure | undefined, nowMs: number): Decision<SourceAction> {
  if (move.state !== 'granted') return { records: [], actions: [] }
  if (outcome === 'committed') return become('committed', nowMs, [])
  return abort(
    nowMs,
    failure ?? { code: 'NeverCommitted', message: 'Moving: the destination did not commit in time and said that it never will: try again' },
  )
}

function onFinish(move: SourceMove, outcome: 'committed' | 'aborted', nowMs: number): Decision<SourceAction> {
  if (move.state === 'finished') return { records: [], actions: move.settled ? [] : [move.committed ? 'endSource' : 'rollBack'] }
  if (outcome === 'aborted') return finishAborted(move, nowMs)
  if (move.state === 'committed') return become('finished', nowMs, ['endSource'])
  if (move.state === 'granted') return both(nowMs, ['committed', 'finished'], ['endSource'])
  return refuse(move, 'finish as committed')
}

function finishAborted(move: SourceMove, nowMs: number): Decision<SourceAction> {
  if (move.state === 'granted' || move.committed) return refuse(move, 'finish as aborted')
  if (move.state === 'aborted') return become('finished', nowMs, [move.settled ? 'cleanUp' : 'rollBack'])
  const failure = { code: 'Aborted', message: 'Moving: the controller ended the migration' }
  return { records: [state('aborted', nowMs, failure), state('finished', nowMs)], actions: ['rollBack'] }
}

function onRestarted(move: SourceMove, nowMs: number): Decision<SourceAction> {
  if (beforeGrant.includes(move.state))
    return abort(nowMs, { code: 'AgentRestarted', message: `Moving: the source agent restarted while ${move.state}: try again` })
  if (move.state === 'granted') return { records: [], actions: ['askOutcome'] }
  if (move.settled || move.state === 'committed') return { records: [], actions: [] }
  return { records: [], actions: [move.committed ? 'endSource' : 'rollBack'] }
}

function resolved(verdict: string): Failure {
  return { code: 'DestinationGone', message: `Moving: resolved as ${verdict}: the source goes on` }
}

function abort(nowMs: number, failure: Failure): Decision<SourceAction> {
  return { records: [state('aborted', nowMs, failure)], actions: ['rollBack'] }
}

function become(to: MoveState, nowMs: number, actions: SourceAction[]): Decision<SourceAction> {
  return { records: [state(to, nowMs)], actions }
}

function both(nowMs: number, states: ('committed' | 'finished')[], actions: SourceAction[]): Decision<SourceAction> {
  return { records: states.map((to) => state(to, nowMs)), actions }
}

function state(to: MoveState, atMs: number, failure?: Failure): JournalRecord {
  return { type: 'state', atMs, state: to, ...(failure ? { failure } : {}) }
}

function refuse(move: SourceMove, what: string): Decision<SourceAction> {
  const message = `Asked to ${what}: the source of migration ${move.uid} is ${move.state}, so it does not`
  return { records: [], actions: [], refused: { code: 'WrongState', message } }
}
