// The moves of this node as working objects: finds, opens, restarts and forgets them.
import { rm } from 'node:fs/promises'
import type { AwaitRequest, MoveRecord, MoveRequest } from '../api/agent-wire.ts'
import { CodedError } from '../runtime/errors.ts'
import { log } from '../runtime/log.ts'
import { relayedFlows } from '../runtime/metrics.ts'
import { type AgentContext, awaitedFolder, restoredFolder } from './context.ts'
import { Receiver } from './move/receive.ts'
import { Source } from './move/source.ts'
import { nowMs } from './moves.ts'
import { endsAlone, isForgotten, isOpen, type Move, toWire } from './protocol/move.ts'
import { goesOn } from './protocol/source.ts'
import { sweepFiles } from './sweep/sweep.ts'

const recoverAgainMs = 2000
/** How long an ended move can still be asked about. */
const keepEndedMs = 24 * 60 * 60 * 1000

const forgotten = new CodedError('Forgotten', 'Awaiting the pod: the time of its migration is over, and nobody came for it')

export class Registry {
  readonly #context: AgentContext
  readonly #sources = new Map<string, Source>()
  readonly #receivers = new Map<string, Receiver>()

  constructor(context: AgentContext) {
    this.#context = context
  }

  record(uid: string): MoveRecord | undefined {
    const move = this.#context.moves.get(uid)
    return move && toWire(move)
  }

  records(): MoveRecord[] {
    return this.#context.moves.list().map(toWire)
  }

  inFlight(): number {
    return this.#context.moves.list().filter((move) => isOpen(move) && !['live', 'committed'].includes(move.state)).length
  }

  inDoubt(): number {
    return this.#context.moves.list().filter((move) => move.state === 'granted').length
  }

  /** Told again it is the same move; the first telling counts. */
  async await(uid: string, request: AwaitRequest): Promise<MoveRecord> {
    const known = this.#context.moves.get(uid)
    if (!known) {
      this.#context.moves.open(uid, { type: 'opened', atMs: nowMs(), role: 'destination', request })
      await this.receiver(uid).announce()
    } else if (known.role !== 'destination') throw wrongRole(uid, known)
    return this.#wire(uid)
  }

  move(uid: string, request: MoveRequest): MoveRecord {
    const known = this.#context.moves.get(uid)
    if (!known) {
      this.#context.moves.open(uid, { type: 'opened', atMs: nowMs(), role: 'source', request })
      this.source(uid).start()
    } else if (known.role !== 'source') throw wrongRole(uid, known)
    return this.#wire(uid)
  }

  async abort(uid: string, reason: string): Promise<MoveRecord> {
    await this.#either(uid).abort(reason)
    return this.#wire(uid)
  }

  async finish(uid: string, outcome: 'committed' | 'aborted'): Promise<MoveRecord> {
    await this.#either(uid).finish(outcome)
    return this.#wire(uid)
  }

  async resolve(uid: string, verdict: 'committed' | 'destinationGone'): Promise<MoveRecord> {
    await this.source(uid).resolve(verdict)
    return this.#wire(uid)
  }

  source(uid: string): Source {
    this.#context.moves.source(uid)
    return take(this.#sources, uid, () => new Source(this.#context, uid))
  }

  receiver(uid: string): Receiver {
    this.#context.moves.destination(uid)
    return take(this.#receivers, uid, () => new Receiver(this.#context, uid))
  }

  /** Asked about a migration it never heard of, a destination says never, and a late await of it is refused. */
  receiverOrTombstone(uid: string): Receiver {
    if (!this.#context.moves.get(uid)) {
      const failure = { code: 'NeverAwaited', message: `Receiving migration ${uid}: this node does not know it (its journal was lost?)` }
      this.#context.moves.open(uid, { type: 'tombstone', atMs: nowMs(), failure })
    }
    return this.receiver(uid)
  }

  /** Asked by a destination that committed; of a move that this node does not know nothing can be said. To say no is to take that for the outcome. */
  async goesOn(uid: string): Promise<boolean> {
    const move = this.#context.moves.get(uid)
    if (move?.role !== 'source') return false
    if (move.state === 'granted') await this.source(uid).hearsOfCommit()
    return goesOn(move)
  }

  /** After the agent's start: every open move is brought to where the protocol says; what fails is tried again, since a pod may wait for it. */
  async recover(moves: readonly Move[] = this.#context.moves.list()): Promise<void> {
    const work = moves.map((move) => (move.role === 'source' ? this.source(move.uid).restarted() : this.receiver(move.uid).restarted()))
    const results = await Promise.allSettled(work)
    const failed = moves.filter((move, index) => {
      const result = results[index]
      if (result?.status === 'rejected') log.error({ uid: move.uid, err: result.reason }, 'recovering a move failed, trying again')
      return result?.status === 'rejected'
    })
    if (failed.length > 0) setTimeout(() => void this.recover(failed), recoverAgainMs).unref()
  }

  /** What belongs to pods that are gone, and moves that ended long ago. */
  async sweep(): Promise<void> {
    const { config, moves, checkpoints } = this.#context
    await checkpoints.sweep().catch((error: unknown) => log.warn({ err: error }, 'sweeping kept checkpoints failed'))
    const { removed } = await sweepFiles(config, () => moves.list(), false)
    if (removed.length > 0) log.info({ removed }, 'swept')
    await this.#context.network.sweepHome()
    const relayed = await this.#context.network.sweepRelays()
    relayedFlows.reset()
    for (const [node, count] of relayed) relayedFlows.set({ node }, count)
    for (const move of moves.list()) if (isForgotten(move, nowMs())) await this.receiver(move.uid).fail(forgotten)
    for (const move of moves.list()) if (endsAlone(move, nowMs())) await this.#either(move.uid).finish('committed')
    for (const move of moves.list()) if (!isOpen(move) && nowMs() - move.changedAtMs > keepEndedMs) await this.#forget(move)
  }

  async #forget(move: Move): Promise<void> {
    const { config, moves } = this.#context
    if (move.role === 'destination' && move.request && !move.committed) {
      await Promise.all(
        [awaitedFolder, restoredFolder].map((folder) =>
          rm(folder(config, (move.request as AwaitRequest).pod), { recursive: true, force: true }),
        ),
      )
    }
    moves.forget(move.uid)
    this.#sources.delete(move.uid)
    this.#receivers.delete(move.uid)
  }

  #either(uid: string): Source | Receiver {
    const move = this.#context.moves.get(uid)
    if (!move) throw new CodedError('UnknownMigration', `Looking for migration ${uid}: this node does not know it`)
    return move.role === 'source' ? this.source(uid) : this.receiver(uid)
  }

  #wire(uid: string): MoveRecord {
    const record = this.record(uid)
    if (!record) throw new CodedError('UnknownMigration', `Looking for migration ${uid}: this node does not know it`)
    return record
  }
}

function take<T>(map: Map<string, T>, uid: string, make: () => T): T {
  const known = map.get(uid) ?? make()
  map.set(uid, known)
  return known
}

function wrongRole(uid: string, { role, state }: Move): CodedError {
  return new CodedError(
    'WrongState',
    `Opening migration ${uid}: this node is its ${role} already (${state}); source and destination must be two nodes`,
  )
}
