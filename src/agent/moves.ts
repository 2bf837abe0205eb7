// All moves this node knows: every decision is journalled here before anybody acts on it.
import type { MoveStep } from '../api/agent-wire.ts'
import { CodedError } from '../runtime/errors.ts'
import { log } from '../runtime/log.ts'
import type { Journal } from './journal/journal.ts'
import { type DestinationAction, type DestinationMessage, decideDestination } from './protocol/destination.ts'
import {
  type DestinationMove,
  foldRecord,
  isOpen,
  type JournalRecord,
  type Move,
  type MoveFacts,
  mayBeLost,
  type SourceMove,
} from './protocol/move.ts'
import { decideSource, type SourceAction, type SourceMessage } from './protocol/source.ts'

/** States that a crash may forget: what came before them leads to the same end. */
const forgettable = new Set(['standing', 'restoring', 'held', 'live'])

/** Epoch milliseconds with fractions. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now()
}

/** The protocol's two halves; the simulation also plays wrong ones, to see that they are found. */
export interface Rules {
  source: typeof decideSource
  destination: typeof decideDestination
}

const realRules: Rules = { source: decideSource, destination: decideDestination }

export class Moves {
  readonly #journal: Journal
  readonly #node: string
  readonly #nowMs: () => number
  readonly #rules: Rules
  readonly #moves: Map<string, Move>

  constructor(journal: Journal, node: string, now: () => number = nowMs, rules: Rules = realRules) {
    this.#journal = journal
    this.#node = node
    this.#nowMs = now
    this.#rules = rules
    this.#moves = journal.load()
  }

  get(uid: string): Move | undefined {
    return this.#moves.get(uid)
  }

  list(): Move[] {
    return [...this.#moves.values()]
  }

  openUids(): string[] {
    return this.list()
      .filter(isOpen)
      .map((move) => move.uid)
  }

  source(uid: string): SourceMove {
    const move = this.#moves.get(uid)
    if (move?.role === 'source') return move
    throw new CodedError('UnknownMigration', `Looking for migration ${uid}: this node is not its source`)
  }

  destination(uid: string): DestinationMove {
    const move = this.#moves.get(uid)
    if (move?.role === 'destination') return move
    throw new CodedError('UnknownMigration', `Looking for migration ${uid}: this node does not await it`)
  }

  open(uid: string, record: JournalRecord & { type: 'opened' | 'tombstone' }): void {
    if (this.#moves.has(uid)) throw new CodedError('WrongState', `Opening migration ${uid}: this node knows it already`)
    this.#write(uid, [record], true)
  }

  decideSource(uid: string, message: SourceMessage): SourceAction[] {
    const decision = this.#rules.source(this.source(uid), message, this.#nowMs())
    return this.#carry(uid, message.type, decision)
  }

  decideDestination(uid: string, message: DestinationMessage): DestinationAction[] {
    const decision = this.#rules.destination(this.destination(uid), message, this.#nowMs())
    return this.#carry(uid, message.type, decision)
  }

  /** Not on disk at once: a step lost in a crash only makes the story shorter. */
  step(uid: string, step: MoveStep, atMs = this.#nowMs(), node = this.#node): void {
    const move = this.#moves.get(uid)
    if (move?.steps.some((known) => known.step === step && known.node === node)) return
    this.#write(uid, [{ type: 'step', atMs, step, node }], false)
  }

  facts(uid: string, facts: MoveFacts): void {
    this.#write(uid, [{ type: 'facts', atMs: this.#nowMs(), facts }], false)
  }

  warn(uid: string, warning: string): void {
    if (this.#moves.get(uid)?.warnings.includes(warning)) return
    this.#write(uid, [{ type: 'warning', atMs: this.#nowMs(), warning }], false)
  }

  settled(uid: string): void {
    const move = this.#moves.get(uid)
    if (move && !move.settled) this.#write(uid, [{ type: 'settled', atMs: this.#nowMs(), state: move.state }], true)
  }

  forget(uid: string): void {
    this.#moves.delete(uid)
    this.#journal.forget(uid)
  }

  #carry<Action>(
    uid: string,
    type: string,
    decision: { records: JournalRecord[]; actions: Action[]; refused?: { code: string; message: string } },
  ): Action[] {
    if (decision.refused) throw new CodedError(decision.refused.code, decision.refused.message)
    const durable = decision.records.some((record) => record.type !== 'state' || !forgettable.has(record.state))
    this.#write(uid, decision.records, durable)
    log.info({ uid, message: type, state: this.#moves.get(uid)?.state, actions: decision.actions }, 'decided')
    return decision.actions
  }

  #write(uid: string, records: readonly JournalRecord[], durable: boolean): void {
    try {
      this.#journal.append(uid, records, durable)
    } catch (error) {
      const move = this.#moves.get(uid)
      if (!move || !records.every((record) => mayBeLost(move, record))) throw error
      // A pod is not kept frozen, nor its traffic held, for a record that nothing depends on.
      log.error({ uid, err: error }, 'going on without a record')
    }
    for (const record of records) this.#moves.set(uid, foldRecord(uid, this.#moves.get(uid), record))
  }
}
