// The memory of a moving pod ahead of the freeze: rounds while it runs, what is done when they do not converge, and the last one in the freeze.
import type { MoveRequest } from '../../api/agent-wire.ts'
import { notConverging } from '../../api/names.ts'
import { CodedError, messageOf } from '../../runtime/errors.ts'
import { isOneMoreDue } from '../memory/convergence.ts'
import { toMB } from '../memory/megabytes.ts'
import { judge } from '../memory/non-convergence.ts'
import { catchUp, type PreCopy } from '../memory/pre-copy.ts'
import type { FinalBytes, FinalCopy } from '../memory/tracker.ts'
import type { Moves } from '../moves.ts'
import { modeOf } from '../protocol/move.ts'
import type { DumpFolders } from '../runc/checkpoint.ts'
import type { RateLimit } from '../transfer/rate-limit.ts'
import { pacedForMs } from './pace.ts'

export interface MemoryToMove {
  moves: Moves
  uid: string
  request: MoveRequest
  /** Of all that is sent before the freeze. */
  limit: RateLimit
  /** All memory once; throws why that cannot be had. */
  copyAll: () => Promise<PreCopy>
  /** From then on the destination may ask for what stays here. */
  lend: () => Promise<void>
  signal: AbortSignal
}

export class MemoryRounds {
  readonly #of: MemoryToMove
  #copied: PreCopy | undefined
  /** Why the rounds ended. */
  #reason = ''

  constructor(memory: MemoryToMove) {
    this.#of = memory
  }

  /** All memory once, so fast at first (0: as fast as it goes). Where that cannot be had the pod is dumped whole, and the status says why. */
  async start(mbps: number): Promise<void> {
    const { request, limit, copyAll, lend, signal } = this.#of
    limit.pace(mbps, pacedForMs)
    if (request.mode === 'Cold') return this.#none('mode Cold copies no memory ahead')
    try {
      this.#copied = await copyAll()
    } catch (error) {
      this.#none(messageOf(error))
    }
    if (this.#leavesPages && this.#copied?.cannotStay) this.#none(this.#copied.cannotStay)
    signal.throwIfAborted()
    if (this.#leavesPages) await lend()
  }

  /** Rounds until little is left, or they no longer pay. */
  async catchUp(): Promise<void> {
    if (!this.#copied) return
    const { preCopyMaxRounds, preCopyDirtyThresholdMB } = this.#of.request
    // The last two are for what the pod writes while its files are looked at, and while the hold is prepared.
    const limits = { maximumRounds: preCopyMaxRounds - 2, thresholdMB: preCopyDirtyThresholdMB }
    this.#reason = await catchUp(this.#copied, limits, this.#of.signal)
  }

  /** What the pod wrote while its files were looked at. Nothing is held or frozen yet: what the freeze cannot hold is answered here. */
  async last(): Promise<void> {
    // The longer it takes, the more is written meanwhile, which is for the freeze.
    this.#of.limit.endPace()
    await this.#oneMore()
    if (this.#copied) await this.#judge(this.#copied)
  }

  /**
   * The hold is prepared. A process that came, wrote to shared memory and ended since the last look (a database has one for each connection) makes the
   * freeze compare all of it, so little comes between the two.
   */
  async lastOfAll(): Promise<void> {
    await this.#oneMore()
  }

  /** Somebody has come during that look, which takes a moment too. */
  async isInDoubt(): Promise<boolean> {
    return (await this.#copied?.isInDoubt()) ?? false
  }

  async lookAgain(): Promise<void> {
    await this.#copied?.lookAgain()
    this.#noteRounds()
  }

  async #oneMore(): Promise<void> {
    const copied = this.#copied
    if (!copied) return
    const { preCopyMaxRounds } = this.#of.request
    if (copied.broken === undefined && isOneMoreDue(copied.rounds, preCopyMaxRounds, this.#of.limit.wasPaced)) await copied.round()
    this.#noteRounds()
  }

  #noteRounds(): void {
    if (!this.#copied) return
    const { rounds, broken } = this.#copied
    const { preCopy } = this.#of.moves.source(this.#of.uid).facts
    this.#of.moves.facts(this.#of.uid, { preCopy: { ...preCopy, rounds: [...rounds], reason: broken ?? this.#reason } })
  }

  /** The pod is frozen, and its memory stands still. undefined: the dump itself carries what is left. */
  final(): FinalCopy | undefined {
    this.#of.limit.lift()
    return this.#copied?.final(this.#leavesPages)
  }

  /** `final` is complete. */
  stayed({ left }: FinalBytes): void {
    if (this.#leavesPages) this.#of.moves.facts(this.#of.uid, { stayedMB: toMB(left) })
  }

  /** Most of it waits in the destination's stores. */
  get lazy(): boolean {
    return this.#copied?.lazy ?? false
  }

  /** What went by streams of its own, beside the images. */
  get bytes(): number {
    return this.#copied?.bytes ?? 0
  }

  /** Without memory ahead both criu run as they are: what the preload leaves out on one side the other must expect. */
  dumpOptions(container: string): Pick<DumpFolders, 'skip' | 'parent'> {
    return this.#copied?.dumpOptions(container) ?? {}
  }

  close(): void {
    this.#copied?.close()
  }

  async #judge(copied: PreCopy): Promise<void> {
    const { moves, uid, request, lend } = this.#of
    const nonConvergence = judge(copied, request)
    if (!nonConvergence) return
    const { answer, message } = nonConvergence
    const { preCopy = { rounds: [] } } = moves.source(uid).facts
    moves.facts(uid, { preCopy: { ...preCopy, nonConvergence }, ...(answer === 'PostCopy' ? { mode: answer } : {}) })
    if (answer === 'Abort') throw new CodedError(notConverging, message)
    if (answer === 'PostCopy') await lend()
  }

  /** Mode PostCopy is asked for where the freeze must not depend on what is written: without it there is no move. */
  #none(reason: string): void {
    if (this.#leavesPages)
      throw new CodedError('PostCopyUnavailable', `Copying memory ahead in mode PostCopy: ${reason}: use mode PreCopy or Cold`)
    this.#of.moves.facts(this.#of.uid, { preCopy: { rounds: [], reason } })
  }

  get #leavesPages(): boolean {
    return modeOf(this.#of.moves.source(this.#of.uid)) === 'PostCopy'
  }
}
