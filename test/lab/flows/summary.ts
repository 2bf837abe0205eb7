// What the flows say about the moves: errors, resets, and how much longer than the freeze each flow waited. Pure.
import type { FlowReport } from './flows.ts'

export interface MoveTimes {
  /** Epoch, ms: of the traffic being held, and of the pod running again. */
  fromMs: number
  untilMs: number
  freezeMs: number
  /** Flows that go through another node. */
  relayed: number
}

/** ECONNRESET and EPIPE, as the traffic program writes them. */
const resetError = /errno (104|32)\b/
/** After the pod runs again a held request is answered within this time, or it is another request's wait. */
const afterMs = 6000
/** What the promise allows a client to wait beyond the freeze. */
const stallMs = 250

export function errorsOf(reports: readonly FlowReport[]): string[] {
  return reports.flatMap(({ kind, error, over }) => (error !== null ? [error] : over ? [] : [`${kind}: it did not end`]))
}

export function resetsOf(reports: readonly FlowReport[]): number {
  return reports.filter(({ error }) => error !== null && resetError.test(error)).length
}

/** Of one flow in one move: its longest wait, beyond the freeze; 0: it never waited. */
export interface Wait {
  kind: string
  /** From 0. */
  move: number
  beyondMs: number
}

/** Of each request/response flow in each move. `others`: moves, or freezes in place, whose waits are not those of MOVES. */
export function waitsOf(
  reports: readonly FlowReport[],
  moves: readonly MoveTimes[],
  modes: readonly FlowReport['mode'][] = ['request', 'connects'],
  others: readonly MoveTimes[] = [],
): Wait[] {
  const asking = reports.filter(({ mode }) => modes.includes(mode))
  const began = [...moves, ...others].map(({ fromMs }) => fromMs)
  return asking.flatMap(({ kind, gaps }) =>
    moves.map(({ fromMs, untilMs, freezeMs }, move) => {
      const overMs = Math.min(untilMs + afterMs, ...began.filter((otherMs) => otherMs > fromMs))
      const waits = gaps.filter(([endMs]) => endMs >= fromMs && endMs <= overMs).map(([, gapMs]) => gapMs)
      return { kind, move, beyondMs: Math.max(0, ...waits.map((waitMs) => waitMs - freezeMs)) }
    }),
  )
}

export function waitsBeyondFreeze(...seen: Parameters<typeof waitsOf>): number[] {
  return waitsOf(...seen).map(({ beyondMs }) => beyondMs)
}

/** What the promise allows nearly all flows to wait beyond the freeze. */
const lateMs = 20
const namedKinds = 6

/** The moves in which flows waited longer than nearly all may, and which kinds they were of, the most of them first. */
export function latenessOf(waits: readonly Wait[]): string[] {
  const late = waits.filter(({ beyondMs }) => beyondMs > lateMs)
  return [...groupedBy(late, ({ move }) => move)].map(([move, own]) => {
    const kinds = [...groupedBy(own, ({ kind }) => kind)].toSorted(([, one], [, other]) => other.length - one.length)
    const named = kinds.slice(0, namedKinds).map(([kind, { length }]) => `${kind} ${length}`)
    const longest = Math.round(Math.max(...own.map(({ beyondMs }) => beyondMs)))
    const what = `${own.length} flows of ${kinds.length} kinds more than ${lateMs} ms, the longest ${longest}`
    return `in move ${move + 1} ${what}: ${named.join(', ')}${kinds.length > namedKinds ? ', …' : ''}`
  })
}

function groupedBy<T, Key>(items: readonly T[], keyOf: (item: T) => Key): Map<Key, T[]> {
  const groups = new Map<Key, T[]>()
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item])
  return groups
}

/** Waits of any kind that are much longer than the freeze of their move: by kind and move how many, and the longest. */
export function stallsOf(reports: readonly FlowReport[], moves: readonly MoveTimes[]): string[] {
  const stalls = new Map<string, number[]>()
  for (const { kind, gaps } of reports) {
    for (const [endMs, gapMs] of gaps) {
      const index = moves.findLastIndex(({ fromMs }) => endMs >= fromMs)
      const beyondMs = gapMs - (moves[index]?.freezeMs ?? 0)
      const key = `${kind} in move ${index + 1}`
      if (beyondMs > stallMs) stalls.set(key, [...(stalls.get(key) ?? []), beyondMs])
    }
  }
  return [...stalls].map(([key, beyond]) => `${key}: ${beyond.length}, the longest ${Math.round(Math.max(...beyond))} ms beyond the freeze`)
}

/** By kind: flows, requests, the longest wait, datagrams asked for twice. */
export function tableOf(reports: readonly FlowReport[]): string[] {
  return [...groupedBy(reports, ({ kind }) => kind)].map(([kind, own]) => {
    const sum = (pick: (report: FlowReport) => number): number => own.reduce((total, report) => total + pick(report), 0)
    const worstMs = Math.max(...own.map((report) => report.worstMs))
    const retried = sum((report) => report.retried)
    return `${kind.padEnd(32)} ${cell(own.length)} flows ${cell(sum((report) => report.requests))} answers   worst ${cell(Math.round(worstMs))} ms${retried > 0 ? `   datagrams asked for twice ${retried}` : ''}`
  })
}

function cell(value: number): string {
  return String(value).padStart(6)
}

export interface Totals {
  kinds: number
  flows: number
  moves: number
  errors: number
  resets: number
  worstGapMs: number
  freezeMs: number
  relayed: number
}

export function totalsOf(reports: readonly FlowReport[], moves: readonly MoveTimes[]): Totals {
  return {
    kinds: new Set(reports.map(({ kind }) => kind)).size,
    flows: reports.length,
    moves: moves.length,
    errors: errorsOf(reports).length,
    resets: resetsOf(reports),
    worstGapMs: Math.max(0, ...reports.map(({ worstMs }) => worstMs)),
    freezeMs: Math.max(0, ...moves.map(({ freezeMs }) => freezeMs)),
    relayed: Math.max(0, ...moves.map(({ relayed }) => relayed)),
  }
}

export function lastLine({ kinds, flows, moves, errors, resets, worstGapMs, freezeMs, relayed }: Totals): string {
  const outcome = `errors ${errors} · resets ${resets} · worst gap ${Math.round(worstGapMs)} ms`
  return `flows: kinds ${kinds} flows ${flows} moves ${moves} · ${outcome} · freeze ${Math.round(freezeMs)} ms · relayed ${relayed}`
}
