// Events a second, from when each of them was. Pure.

/** From the first tenth to the last: start and end of a scheduler are slower. Of times in milliseconds, in any order; NaN of too few. */
export function rateOf(timesMs: readonly number[]): number {
  const sorted = timesMs.toSorted((one, other) => one - other)
  const from = Math.floor(sorted.length / 10)
  const to = Math.floor((9 * sorted.length) / 10)
  return (1000 * (to - from)) / ((sorted[to] ?? 0) - (sorted[from] ?? 0))
}
