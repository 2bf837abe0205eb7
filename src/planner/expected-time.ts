// How long the moves of a plan take, as the controller runs them: a few at once, never two that follow from each other.
import type { Model } from './model.ts'
import type { OrderedMove } from './order.ts'

// The default budgets of a MigrationPolicy.
const atOnce = 5
/** Validation, the destination's sandbox, restore and cutover, without the copy. */
const fixedSeconds = 6

/** A move waits for every earlier one that touches one of its nodes: only then is its room proven. */
export function expectedSeconds(model: Model, moves: readonly OrderedMove[], bandwidthMbps: number): number {
  const bytesPerSecond = (bandwidthMbps * 1e6) / 8
  const freeAt = new Map<number, number>()
  const slots = Array.from({ length: atOnce }, () => 0)
  let end = 0
  for (const { pod, from, to } of moves) {
    const slot = slots.indexOf(Math.min(...slots))
    const start = Math.max(slots[slot] ?? 0, freeAt.get(from) ?? 0, freeAt.get(to) ?? 0)
    const until = start + fixedSeconds + (model.pods[pod]?.movedBytes ?? 0) / bytesPerSecond
    slots[slot] = until
    freeAt.set(from, until)
    freeAt.set(to, until)
    end = Math.max(end, until)
  }
  return Math.round(end)
}
