// What the measured moves come to, and the last line of the memory benchmark. Pure.
import { median, ms } from '../freeze/statistics.ts'
import type { Case, Load, Measured } from './measure.ts'

/** How far a good estimate may be from what then happens. */
const allowedError = 0.3

export function nameOf({ sizeMB, kind, load }: Case): string {
  return `${sizeName(sizeMB)} ${kind} ${load}`
}

export function sizeName(sizeMB: number): string {
  return sizeMB % 1024 === 0 ? `${sizeMB / 1024} GB` : `${sizeMB} MB`
}

/** The moves of each case together, in the order in which they came. */
export function byCase(moves: readonly Measured[]): Map<string, Measured[]> {
  const cases = new Map<string, Measured[]>()
  for (const move of moves) {
    const name = `${nameOf(move)} ${move.by}`
    cases.set(name, [...(cases.get(name) ?? []), move])
  }
  return cases
}

export function freezeOf(moves: readonly Measured[]): number | undefined {
  return median(moves.flatMap(({ freezeMs }) => freezeMs ?? []))
}

/** Signed share of what happened by which the median estimate was off; undefined where there was none. */
export function estimateError(moves: readonly Measured[]): number | undefined {
  const estimated = median(moves.flatMap(({ estimatedMs }) => estimatedMs ?? []))
  const frozen = median(moves.flatMap(({ frozenMs }) => frozenMs ?? []))
  return estimated === undefined || !frozen ? undefined : estimated / frozen - 1
}

export function caseLine(moves: readonly Measured[]): string {
  const [first] = moves
  if (!first) return ''
  const freezes = moves.flatMap(({ freezeMs }) => freezeMs ?? [])
  const spread = freezes.length > 0 ? `${ms(Math.min(...freezes))} to ${ms(Math.max(...freezes))}` : '-'
  const base = `${nameOf(first).padEnd(22)} ${first.by.padEnd(5)} ${String(moves.length).padStart(2)} moves   freeze p50 ${ms(freezeOf(moves))} (${spread})`
  const error = estimateError(moves)
  if (error === undefined) return base
  const values = (pick: (move: Measured) => number | undefined): string => ms(median(moves.flatMap((move) => pick(move) ?? [])))
  const estimate = `estimated ${values(({ estimatedMs }) => estimatedMs)} for ${values(({ frozenMs }) => frozenMs)} frozen: ${percent(error)}`
  return `${base} · ${estimate} · all local after ${values(({ localMs }) => localMs)}`
}

function percent(share: number): string {
  return `${share > 0 ? '+' : ''}${Math.round(share * 100)} %`
}

export function lastLine(moves: readonly Measured[]): string {
  const ours = moves.filter(({ by }) => by === 'ours')
  const sizes = [...new Set(ours.map(({ sizeMB }) => sizeMB))].toSorted((one, other) => one - other)
  const idle = sizes.map((size) => freezeOf(ours.filter(({ sizeMB, load }) => sizeMB === size && load === 'idle')))
  const errors = [...byCase(ours).values()].map(estimateError)
  const within = errors.filter((error) => error !== undefined && Math.abs(error) <= allowedError).length
  const parts = [
    `heaps ${sizes.map(sizeName).join('/')}`,
    `idle freeze ${idle.map((value) => (value === undefined ? '-' : Math.round(value))).join('/')} ms`,
    ratio(`${sizeName(sizes.at(-1) ?? 0)} to ${sizeName(sizes[0] ?? 0)}`, idle.at(-1), idle[0]),
    ...toPlain(moves),
    `estimates within ${allowedError * 100} %: ${within} of ${errors.length}`,
    `failed ${moves.filter(({ failure }) => failure !== undefined).length}`,
  ]
  return `memory: ${parts.join(' · ')}`
}

/** Of the largest heap that was moved by script, too. */
function toPlain(moves: readonly Measured[]): string[] {
  const largestMB = Math.max(0, ...moves.filter(({ by }) => by === 'plain').map(({ sizeMB }) => sizeMB))
  const of = (wanted: Measured['by'], load: Load = 'idle'): number | undefined =>
    freezeOf(moves.filter((move) => move.by === wanted && move.sizeMB === largestMB && move.load === load))
  return largestMB === 0 ? [] : [ratio(`${sizeName(largestMB)} to plain`, of('ours'), of('plain'))]
}

function ratio(name: string, value: number | undefined, base: number | undefined): string {
  return `ratio ${name} ${value === undefined || !base ? '-' : (value / base).toFixed(2)}`
}
