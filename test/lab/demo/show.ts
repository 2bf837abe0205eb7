// What the demo prints: headings, progress lines, the live strip, the verdict.
import { styleText } from 'node:util'
import type { DrainOutcome } from './drain-under-load.ts'

const startedMs = Date.now()

export function heading(text: string): void {
  console.log(`\n${styleText('bold', text)}`)
}

export function say(text: string): void {
  console.log(`${elapsed()}  ${text}`)
}

function elapsed(): string {
  return `${((Date.now() - startedMs) / 1000).toFixed(1).padStart(6)} s`
}

/** One line of the live view: transactions per second now, as a bar. */
export function strip(tps: number): void {
  const bar = '█'.repeat(Math.min(60, Math.round(tps / 25)))
  say(`${String(Math.round(tps)).padStart(6)} tps ${bar}`)
}

/** Rates per slice around the freeze, small blocks: what the clients as a whole got done. */
export function freezePicture(rates: readonly number[], sliceMs: number): string {
  const blocks = ' ▁▂▃▄▅▆▇█'
  const most = Math.max(1, ...rates)
  const picture = rates.map((rate) => blocks[Math.ceil((rate / most) * 8)] ?? ' ').join('')
  return `transactions per ${sliceMs} ms around the freeze: |${picture}|`
}

/** Prints the comparison and returns the exit code. */
export function verdict(ours: DrainOutcome, plain: DrainOutcome): number {
  heading('verdict')
  row('', 'with podmotion', 'plain drain')
  row('kubectl drain exit code', ours.drainExitCode, plain.drainExitCode)
  row('pods moved live', ours.podsMoved, plain.podsMoved)
  row('freeze', ours.freezeMs === undefined ? '-' : `${ours.freezeMs} ms`, '-')
  row('worst gap a client saw', `${ours.worstGapMs} ms`, plain.failed > 0 ? 'connection lost' : `${plain.worstGapMs} ms`)
  row('transactions', ours.transactions, plain.transactions)
  row('failed (transactions, lost clients)', `${ours.failed} failed`, `${plain.failed} failed`)
  const good = ours.failed === 0 && ours.podsMoved === 1 && ours.drainExitCode === 0
  console.log(styleText(good ? 'green' : 'red', good ? '\n0 failed: no client noticed the drain' : '\nNOT as promised: see above'))
  return good ? 0 : 1
}

function row(name: string, ours: string | number, plain: string | number): void {
  console.log(`  ${name.padEnd(38)}${String(ours).padStart(16)}${String(plain).padStart(18)}`)
}
