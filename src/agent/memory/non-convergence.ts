// What comes of memory that is written faster than it can be copied: the freeze is predicted from what the rounds measured. Pure.
import type { MoveRequest } from '../../api/agent-wire.ts'
import type { NonConvergence, PreCopyRound } from '../../api/pod-migration.ts'
import type { PreCopy } from './pre-copy.ts'

// Rounds give way to the pod, the freeze does not: no machine that we measured was slower in it. Under a bandwidth limit, which the freeze
// does not keep to, rounds tell nothing, and only what is over the budget on any network is over it.
const slowestMBPerMs = 0.2
const unknownMBPerMs = 1
/** From the end of the last round, at least. */
const untilFreezeMs = 100
/** Not everything, else no finite rate would explain it. */
const mostWritten = 0.99
/** Less than this over the budget may still fit: a false alarm costs more than a freeze that is gone back from. */
const clearly = 1.5

type Asked = Pick<MoveRequest, 'mode' | 'onNonConvergence' | 'postCopyObstacle' | 'freezeWindowBudgetMs' | 'bandwidthLimitMbps'>
type Forecast = Pick<NonConvergence, 'dirtyRateMBps' | 'leftMB' | 'predictedFreezeMs'>

/** undefined: the predicted freeze fits, or nothing tells that it does not. */
export function judge(
  { rounds, broken, cannotStay }: Pick<PreCopy, 'rounds' | 'broken' | 'cannotStay'>,
  asked: Asked,
): NonConvergence | undefined {
  if (asked.mode !== 'PreCopy' || broken !== undefined) return undefined
  const forecast = forecastOf(rounds, asked.bandwidthLimitMbps > 0)
  const budgetMs = asked.freezeWindowBudgetMs
  if (!forecast || forecast.predictedFreezeMs <= budgetMs * clearly) return undefined
  const obstacle = asked.postCopyObstacle ?? cannotStay
  const answer = asked.onNonConvergence === 'PostCopy' && obstacle !== undefined ? 'Abort' : asked.onNonConvergence
  const found = { ...forecast, budgetMs, answer }
  return { ...found, message: sentence(found, rounds.length, asked.onNonConvergence === 'PostCopy' ? obstacle : undefined) }
}

/** Memory alone, and at least. */
function forecastOf(rounds: readonly PreCopyRound[], isLimited: boolean): Forecast | undefined {
  const last = rounds.at(-1)
  if (!last || rounds.length < 2) return undefined
  const leftMB = writtenUntilFreeze(last, Math.max(...rounds.map(({ copiedMB }) => copiedMB)))
  const rates = rounds.map(({ copiedMB, durationMs }) => copiedMB / Math.max(1, durationMs))
  const bestMBPerMs = Math.max(isLimited ? unknownMBPerMs : slowestMBPerMs, ...rates)
  return {
    dirtyRateMBps: last.dirtyRateMBps,
    leftMB: Math.round(leftMB * 10) / 10,
    predictedFreezeMs: Math.round(leftMB / bestMBPerMs),
  }
}

/**
 * The last round found what was written since the one before it began; what is written from its own beginning on, as far as that has lasted, is
 * left. Each page is written again with some chance: whatever the chances are, at least as many as if all of them had the same.
 */
function writtenUntilFreeze({ copiedMB, dirtyRateMBps, durationMs }: PreCopyRound, allMB: number): number {
  if (copiedMB <= 0 || dirtyRateMBps <= 0) return 0
  const foundInMs = (copiedMB / dirtyRateMBps) * 1000
  const share = Math.min(mostWritten, copiedMB / allMB)
  return Math.min(copiedMB, allMB * (1 - (1 - share) ** ((durationMs + untilFreezeMs) / foundInMs)))
}

function sentence(found: Omit<NonConvergence, 'message'>, rounds: number, obstacle: string | undefined): string {
  const { dirtyRateMBps, leftMB, predictedFreezeMs, budgetMs, answer } = found
  const numbers = `at least ${Math.round(dirtyRateMBps)} MB/s are written, ${leftMB} MB were left after ${rounds} rounds, the freeze is predicted to take ${predictedFreezeMs} ms, freezeWindowBudgetMs is ${budgetMs}`
  const what = `Copying memory ahead: it does not converge (${numbers})`
  if (answer === 'Freeze') return `${what}: the pod is frozen anyway, and goes back when the budget is exceeded`
  if (answer === 'PostCopy') return `${what}: what is left follows after the freeze, as in mode PostCopy`
  const todo = 'raise freezeWindowBudgetMs or move the pod when it writes less'
  if (obstacle !== undefined) return `${what}, and mode PostCopy cannot be had (${obstacle}): ${todo}`
  return `${what}: ${todo}, or set onNonConvergence: PostCopy`
}
