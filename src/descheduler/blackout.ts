// Is a moment within a blackout window? Windows are wall-clock times of a time zone and may go over midnight.
import type { MigrationPolicySpec } from '../api/migration-policy.ts'

export type BlackoutWindow = NonNullable<MigrationPolicySpec['blackoutWindows']>[number]

/** The window that forbids moving now. A window that cannot be read forbids as well: its author wanted something not to happen. */
export function blackoutAt(windows: readonly BlackoutWindow[] | undefined, nowMs: number): string | undefined {
  for (const window of windows ?? []) {
    const problem = problemOf(window)
    if (problem) return problem
    if (contains(window, nowMs)) return `blackout window ${window.start}–${window.end} ${window.timeZone}`
  }
  return undefined
}

function problemOf(window: BlackoutWindow): string | undefined {
  const [problem] = blackoutProblems(window)
  return problem && `blackoutWindows.${problem.field}: ${problem.message}: no move is made until it is corrected`
}

export function blackoutProblems(window: BlackoutWindow): { field: keyof BlackoutWindow; message: string }[] {
  const edges = (['start', 'end'] as const)
    .filter((edge) => minutesOf(window[edge]) === undefined)
    .map((field) => ({ field, message: `expected HH:MM, got "${window[field]}"` }))
  if (isTimeZone(window.timeZone)) return edges
  return [...edges, { field: 'timeZone', message: `"${window.timeZone}" is no IANA time zone (Europe/Berlin)` }]
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en-GB', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/** From the first minute to before the last; the same minute twice is the whole day. */
function contains(window: BlackoutWindow, nowMs: number): boolean {
  const start = minutesOf(window.start) ?? 0
  const end = minutesOf(window.end) ?? 0
  const now = minutesAt(nowMs, window.timeZone)
  return start < end ? now >= start && now < end : now >= start || now < end
}

function minutesOf(text: string): number | undefined {
  const match = /^(\d{1,2}):(\d{2})$/.exec(text)
  const hours = Number(match?.[1])
  const minutes = Number(match?.[2])
  return match && hours <= 24 && minutes <= 59 && hours * 60 + minutes <= 1440 ? hours * 60 + minutes : undefined
}

function minutesAt(nowMs: number, timeZone: string): number {
  const format = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
  const parts = Object.fromEntries(format.formatToParts(nowMs).map(({ type, value }) => [type, value]))
  return Number(parts.hour) * 60 + Number(parts.minute)
}
