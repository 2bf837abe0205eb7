// What an agent knows of one move, as the fold of its journal: records in, state out.
import type { AwaitRequest, MoveRecord, MoveRequest, MoveState, MoveStep } from '../../api/agent-wire.ts'

export interface Failure {
  code: string
  message: string
}

export type JournalRecord =
  | { type: 'opened'; atMs: number; role: 'source'; request: MoveRequest }
  | { type: 'opened'; atMs: number; role: 'destination'; request: AwaitRequest }
  /** A destination that was asked about a migration it never heard of: it says never, and keeps to it. */
  | { type: 'tombstone'; atMs: number; failure: Failure }
  | { type: 'state'; atMs: number; state: MoveState; failure?: Failure }
  | { type: 'step'; atMs: number; step: MoveStep; node: string }
  | { type: 'facts'; atMs: number; facts: MoveFacts }
  | { type: 'warning'; atMs: number; warning: string }
  /** What the state asked for (undoing, ending the source, finishing the commit) is done. */
  | { type: 'settled'; atMs: number; state: MoveState }

export type MoveFacts = Partial<
  Pick<
    MoveRecord,
    'preCopy' | 'mode' | 'stayedMB' | 'atSourceMB' | 'freezeMs' | 'holdMs' | 'bytesMoved' | 'connections' | 'sequenceDelta' | 'flows'
  >
>

interface MoveBase {
  uid: string
  state: MoveState
  failure?: Failure
  steps: MoveRecord['steps']
  facts: MoveFacts
  warnings: string[]
  /** The grant was journalled (source) at some time: what came later may be committed. */
  granted: boolean
  committed: boolean
  /** The work of this state is done: nothing to repeat after a restart. */
  settled: boolean
  changedAtMs: number
}

export interface SourceMove extends MoveBase {
  role: 'source'
  request: MoveRequest
}

export interface DestinationMove extends MoveBase {
  role: 'destination'
  /** Missing: a tombstone. */
  request?: AwaitRequest
}

export type Move = SourceMove | DestinationMove

const emptyMove = { steps: [], facts: {}, warnings: [], granted: false, committed: false, settled: false }

/** The next state of knowledge. A first record other than `opened` or `tombstone` is a broken journal. */
export function foldRecord(uid: string, move: Move | undefined, record: JournalRecord): Move {
  if (record.type === 'opened') return openMove(uid, record)
  if (record.type === 'tombstone') {
    const tomb = { ...emptyMove, uid, role: 'destination', state: 'aborted', failure: record.failure, settled: true } as const
    return { ...tomb, steps: [], warnings: [], changedAtMs: record.atMs }
  }
  if (!move) throw new Error(`Reading the journal of migration ${uid}: it starts with a ${record.type} record, expected "opened"`)
  return foldLater(move, record)
}

function openMove(uid: string, record: JournalRecord & { type: 'opened' }): Move {
  const base = { ...emptyMove, uid, steps: [], warnings: [], changedAtMs: record.atMs }
  if (record.role === 'source') return { ...base, role: 'source', request: record.request, state: 'preparing' }
  return { ...base, role: 'destination', request: record.request, state: 'awaiting' }
}

function foldLater(move: Move, record: Exclude<JournalRecord, { type: 'opened' | 'tombstone' }>): Move {
  switch (record.type) {
    case 'state':
      return enterState(move, record)
    case 'step':
      return { ...move, steps: [...move.steps, { step: record.step, atMs: record.atMs, node: record.node }] }
    case 'facts':
      return { ...move, facts: { ...move.facts, ...record.facts } }
    case 'warning':
      return { ...move, warnings: [...move.warnings, record.warning] }
    case 'settled':
      // A full disk may have lost that it was finished before: then this says so.
      if (record.state !== move.state && record.state !== 'finished') return move
      return { ...move, state: record.state, settled: true, changedAtMs: record.atMs }
  }
}

function enterState(move: Move, record: JournalRecord & { type: 'state' }): Move {
  const failure = move.failure ?? record.failure
  return {
    ...move,
    state: record.state,
    ...(failure ? { failure } : {}),
    granted: move.granted || record.state === 'granted',
    committed: move.committed || record.state === 'committed',
    // What was undone stays undone: the sweep takes what the last cleaning up leaves.
    settled: record.state === 'finished' && move.state === 'aborted' && move.settled,
    changedAtMs: record.atMs,
  }
}

export function foldAll(uid: string, records: readonly JournalRecord[]): Move | undefined {
  return records.reduce<Move | undefined>((move, record) => foldRecord(uid, move, record), undefined)
}

/** What was asked for, or what it became when memory did not converge. */
export function modeOf({ facts, request }: SourceMove): MoveRequest['mode'] {
  return facts.mode ?? request.mode
}

/** A minute for clocks and queues. */
const graceSeconds = 60

/** A destination for which nobody comes any more: the time of its migration is over, and whoever would say so may be gone, or said it while this node was. */
export function isForgotten(move: Move, nowMs: number): boolean {
  if (move.role !== 'destination' || (move.state !== 'awaiting' && move.state !== 'standing')) return false
  const waitsMs = ((move.request?.completionTimeoutSeconds ?? 0) + graceSeconds) * 1000
  return nowMs - move.changedAtMs > waitsMs
}

/** The controller says so within seconds, as long as it knows of both nodes. */
const endsAloneAfterMs = { live: 60_000, committed: 600_000, lending: 24 * 3_600_000 }

/** Committed long ago, and nobody said that the move is over: one of the nodes was away, and its Node object with it. */
export function endsAlone(move: Move, nowMs: number): boolean {
  const ageMs = nowMs - move.changedAtMs
  if (move.role === 'destination') return move.state === 'live' && ageMs > endsAloneAfterMs.live
  // The destination takes its memory from here for as long as its limit makes that last.
  const afterMs = modeOf(move) === 'PostCopy' ? endsAloneAfterMs.lending : endsAloneAfterMs.committed
  return move.state === 'committed' && ageMs > afterMs
}

/** Open: something may still have to happen here; its network and images belong to it. */
export function isOpen(move: Move): boolean {
  if (move.state === 'finished' || move.state === 'aborted') return !move.settled
  return true
}

/** States that are acted on only when they are on disk: without them a restart would thaw, commit or forget what it must not. */
const neededOnDisk: Record<Move['role'], readonly MoveState[]> = {
  source: ['frozen', 'granted'],
  destination: ['holding', 'committed', 'aborted'],
}

/**
 * A record that a full disk may lose: a restart without it comes to the same end, or does once more what is done already. Undoing a source
 * twice is not harmless: meanwhile another move may have frozen the pod again.
 */
export function mayBeLost(move: Move, record: JournalRecord): boolean {
  if (record.type === 'state') return !neededOnDisk[move.role].includes(record.state)
  // Whether memory stays at the source: an agent that did not know would lend none.
  if (record.type === 'facts') return record.facts.mode === undefined
  if (record.type === 'settled') return move.role === 'destination' || move.committed
  return record.type !== 'opened' && record.type !== 'tombstone'
}

/** What goes over the wire. */
export function toWire(move: Move): MoveRecord {
  return {
    uid: move.uid,
    role: move.role,
    state: move.state,
    settled: move.settled,
    ...(move.failure ? { failure: move.failure } : {}),
    steps: move.steps,
    ...move.facts,
    warnings: move.warnings,
  }
}
