// Go's durations ("90s", "1h30m", "1.5h"), as policies write them.

const unitMs: Record<string, number> = { ns: 1e-6, us: 1e-3, µs: 1e-3, μs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
const whole = /^[+-]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/
const part = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g

/** Undefined: it is none. A bare 0 needs no unit. */
export function durationMs(text: string): number | undefined {
  if (text === '0') return 0
  if (!whole.test(text)) return undefined
  let totalMs = 0
  for (const [, number, unit] of text.matchAll(part)) totalMs += Number(number) * (unitMs[unit ?? ''] ?? 0)
  return text.startsWith('-') ? -totalMs : totalMs
}
