// What a move needs of whoever copies memory ahead of the freeze: our own tracker (memory-ahead.ts) or criu's pre-dumps (criu-rounds.ts).
import type { PreCopyRound } from '../../api/pod-migration.ts'
import type { DumpFolders } from '../runc/checkpoint.ts'
import { endOfRounds, type Limits } from './convergence.ts'
import type { FinalCopy } from './tracker.ts'

export interface PreCopy {
  readonly rounds: readonly PreCopyRound[]
  /** What went by streams of its own, beside the images. */
  readonly bytes: number
  /** Most memory waits in the destination's stores, and the restore takes it from there. */
  readonly lazy: boolean
  /** Why what was copied is of no use any more: the pod is dumped whole. */
  readonly broken: string | undefined
  /** Why nothing may stay here in the freeze, to be asked for afterwards; undefined: it may. */
  readonly cannotStay: string | undefined
  /** What the container's dump has to know of it. */
  dumpOptions(container: string): Pick<DumpFolders, 'skip' | 'parent'>
  /** One more round, without a judgement. */
  round(): Promise<void>
  /** Somebody came since the last look who may have written to shared memory unseen: the freeze would compare it. */
  isInDoubt(): Promise<boolean>
  /** As a part of the last round. */
  lookAgain(): Promise<void>
  /** The pod is frozen and stays so. `later`: what can be asked for afterwards stays. undefined: the dump itself carries the rest. */
  final(later: boolean): FinalCopy | undefined
  close(): void
}

/** Rounds until little is left; returns why it ended there. */
export async function catchUp(memory: Pick<PreCopy, 'rounds' | 'broken' | 'round'>, limits: Limits, signal: AbortSignal): Promise<string> {
  for (;;) {
    const end = memory.broken ?? endOfRounds(memory.rounds, limits)
    if (end !== undefined) return end
    signal.throwIfAborted()
    await memory.round()
  }
}
