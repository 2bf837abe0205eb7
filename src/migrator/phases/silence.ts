// How long an agent may be silent before anything has happened, and the move is refused rather than waited for.
import type { Instant } from '../observed.ts'

// An agent that restarts (image already there) is back within this.
const patienceMs = 30_000

export function silentFor(since: string | undefined, nowMs: Instant): boolean {
  return since !== undefined && nowMs - Date.parse(since) > patienceMs
}
