// What one pass over a folder saw, and whether the next may build on it. Pure.
import type { Listing } from './folder-listing.ts'

export interface Pass {
  listing: Listing
  sinceMs: number
  /** Wall clock minus monotonic clock. */
  clockOffsetMs: number
}

/** The wall clock was set between two passes: change times cannot be compared with it. */
const clockStepMs = 5

/** Why it may not. `before`: the last pass after which the destination had all that the folder had. */
export function doubtOf(before: Pass | undefined, now: Pass): string | undefined {
  if (!before) return 'no pass before saw all its files to their end'
  const setByMs = now.clockOffsetMs - before.clockOffsetMs
  return Math.abs(setByMs) > clockStepMs ? `the wall clock was set by ${setByMs.toFixed(1)} ms` : undefined
}
