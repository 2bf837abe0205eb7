// When copying ahead ends: what is left is small, or stops shrinking, or the rounds are used up. Pure.
import type { PreCopyRound } from '../../api/pod-migration.ts'

export interface Limits {
  /** All rounds, the first one, which copies everything, among them. */
  maximumRounds: number
  thresholdMB: number
}

/** Under this another round costs the program more than it saves in the freeze. */
const smallMB = 2
const shortMB = 32
/** A round has to leave clearly less than the one before. */
const shrinkFactor = 0.7

/** Of all there is, written again while it was copied: the next round is as long, and finds as much. */
const everythingFactor = 0.95

/** undefined: another round; else the sentence for the status. */
export function endOfRounds(rounds: readonly PreCopyRound[], { maximumRounds, thresholdMB }: Limits): string | undefined {
  // What the first one copied, which was everything, says nothing of what is left.
  const [last, before] = [rounds.at(-1), rounds.slice(1).at(-2)]
  if (!last) return undefined
  const left = `${last.copiedMB.toFixed(1)} MB in round ${last.round}`
  if (rounds.length > 1 && last.copiedMB <= smallMB) return `converged: ${left}`
  if (rounds.length >= maximumRounds) return `${rounds.length === 1 ? '1 round' : `${rounds.length} rounds`} used up: ${left}`
  if (findsEverything(rounds)) {
    return last.copiedMB <= thresholdMB
      ? `converged: ${left}`
      : `everything is written again in each round: ${left}, over the threshold of ${thresholdMB} MB`
  }
  // Between the threshold and almost nothing it goes on only while that pays.
  if (before && last.copiedMB > before.copiedMB * shrinkFactor) {
    return last.copiedMB <= thresholdMB ? `converged: ${left}` : `stopped shrinking: ${left}, over the threshold of ${thresholdMB} MB`
  }
  return undefined
}

/** The next one is over soon, and the sooner the less is left for the freeze: it does not give way to the pod. As in the tracker (track.c). */
export function isShort(rounds: readonly PreCopyRound[]): boolean {
  const last = rounds.at(-1)
  return last !== undefined && last.copiedMB <= shortMB
}

/** A last round before the freeze. What a paced one found, and how fast it was, tells nothing of the freeze: one that was not is made in any case. */
export function isOneMoreDue(rounds: readonly PreCopyRound[], maximumRounds: number, wasPaced: boolean): boolean {
  return rounds.length < maximumRounds && (wasPaced || !findsEverything(rounds))
}

/** A round that would copy it once more leaves as much to the freeze as none. */
function findsEverything(rounds: readonly PreCopyRound[]): boolean {
  const [first, last] = [rounds[0], rounds.at(-1)]
  return first !== undefined && last !== undefined && last !== first && last.copiedMB > first.copiedMB * everythingFactor
}
