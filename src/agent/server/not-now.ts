// While a pod stands still, and until who waited for it has been served, its node does not tell the controller about its move: what the controller
// writes then costs processor time on both nodes and on the API server, and changes nothing.
import { nowMs } from '../moves.ts'
import { serveFirstMs, waits } from '../priority.ts'
import type { Move } from '../protocol/move.ts'

/** Not for long, whatever the move comes to: a controller takes an agent for silent after 2 s. */
const longestMs = 1000
const lookEveryMs = 25

export function isBadTime(move: Move, atMs: number): boolean {
  const stepAt = (...names: string[]): number | undefined => move.steps.find(({ step }) => names.includes(step))?.atMs
  if (stepAt('held', 'frozen') === undefined) return false
  const overMs = stepAt('resumed', 'thawed')
  // By the other node's clock, which may be far ahead.
  return overMs === undefined ? waits(move) : Math.abs(atMs - overMs) < serveFirstMs
}

export async function untilGoodTime(find: () => Move | undefined): Promise<void> {
  const untilMs = nowMs() + longestMs
  const isBad = (): boolean => {
    const move = find()
    return move !== undefined && nowMs() < untilMs && isBadTime(move, nowMs())
  }
  while (isBad()) await new Promise((resolve) => setTimeout(resolve, lookEveryMs))
}
