// Orders of measured times, and the last line of the freeze benchmark. Pure.

/** The smallest measured value that at least `part` of all values do not exceed; undefined without values. */
export function percentile(values: readonly number[], part: number): number | undefined {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)]
}

/** The middle value, or the mean of the two middle ones. */
export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((one, other) => one - other)
  const upper = sorted[Math.floor(sorted.length / 2)]
  const lower = sorted[Math.ceil(sorted.length / 2) - 1]
  return upper === undefined || lower === undefined ? undefined : (lower + upper) / 2
}

export function spread(name: string, values: readonly number[]): string {
  const [least, middle, worst] = [percentile(values, 0), median(values), percentile(values, 0.99)].map(ms)
  return `${name.padEnd(16)} ${String(values.length).padStart(3)} moves   min ${least}   median ${middle}   p99 ${worst}`
}

/** Whole milliseconds, or a dash when nothing could be measured. */
export function ms(value: number | undefined): string {
  return value === undefined ? '- ms' : `${Math.round(value)} ms`
}

export function lastLine(ours: readonly number[], plain: readonly number[], failed: number): string {
  const [oursMedian, plainMedian] = [median(ours), median(plain)]
  const ratio = oursMedian === undefined || !plainMedian ? '-' : (oursMedian / plainMedian).toFixed(2)
  const oursPart = `ours p50 ${ms(oursMedian)} p99 ${ms(percentile(ours, 0.99))}`
  return `freeze: ${oursPart} · plain p50 ${ms(plainMedian)} · ratio ${ratio} · failed ${failed}`
}
