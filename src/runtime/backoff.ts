// How long to wait after the n-th failure in a row: doubled each time, capped, and jittered so that replicas do not march in step.

export interface Backoff {
  baseMs: number
  maxMs: number
}

/** Between half and all of `baseMs * 2^(failures-1)`, at most `maxMs`. `random` is in [0, 1). */
export function backoffMs(failures: number, { baseMs, maxMs }: Backoff, random: number): number {
  const doublings = Math.min(Math.max(failures - 1, 0), 30)
  const fullMs = Math.min(baseMs * 2 ** doublings, maxMs)
  return fullMs / 2 + (fullMs / 2) * random
}
