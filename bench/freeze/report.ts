// What the freeze benchmark prints and keeps: a line a round, the spreads, the last line.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { usualSharedBuffers } from '../../test/lab/workloads/postgres.ts'
import type { FreezeOptions } from './options.ts'
import { picture } from './picture.ts'
import type { Round } from './round.ts'
import { lastLine, median, ms, spread } from './statistics.ts'
import { inside } from './timeline.ts'

const folder = join(import.meta.dirname, '..', 'results')
const lines: string[] = []

export function say(line: string): void {
  lines.push(line)
  console.log(line)
}

export function sayRound(round: Round): void {
  const { number, kind, from, to, freezeMs, failure, failed } = round
  say(`${String(number).padStart(3)} ${kind.padEnd(5)} ${from} → ${to}  ${ms(freezeMs).padStart(8)}  ${round.breakdown}`)
  const clients = `clients: worst gap ${round.worstGapMs} ms, ${round.transactions} transactions, ${failed} failed`
  const tracked = round.trackedShare === undefined ? '' : ` · while memory goes ahead ${round.trackedShare.toFixed(2)} of their own rate`
  const frozen = round.frozenMs === undefined ? '' : ` · frozen ${ms(round.frozenMs)}, estimated ${ms(round.estimatedMs)}`
  say(`      ${clients}${frozen}${tracked}`)
  if (failure !== undefined) say(`      FAILED: ${failure}`)
}

/** Prints spreads and the last line, keeps all under bench/results; returns how many failures count. */
export async function conclude(rounds: readonly Round[], versions: string, { sharedBuffers, limitMbps }: FreezeOptions): Promise<number> {
  const [ours, plain] = [of(rounds, 'ours'), of(rounds, 'plain')]
  const failed = sum(ours.map((round) => round.failed + (round.failure === undefined ? 0 : 1)))
  say('')
  say(spread('ours', measured(ours)))
  say(spread('plain', measured(plain)))
  say(
    spread(
      'ours, frozen',
      ours.flatMap(({ frozenMs }) => frozenMs ?? []),
    ),
  )
  say(
    `pgbench while memory goes ahead: ${median(ours.flatMap(({ trackedShare }) => trackedShare ?? []))?.toFixed(2) ?? '-'} of its own rate (p50)`,
  )
  const unmoved = plain.filter(({ failure }) => failure !== undefined).length
  say(`plain moves that failed: ${unmoved}; clients that plain moves failed: ${sum(plain.map((round) => round.failed))}`)
  say(lastLine(measured(ours), measured(plain), failed))
  const size = sharedBuffers === usualSharedBuffers ? '' : `-${sharedBuffers}`
  const name = `freeze${size}${limitMbps > 0 ? '-limited' : ''}`
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, `${name}.txt`), `${lines.join('\n')}\n`)
  await writeFile(join(folder, `${name}.json`), `${JSON.stringify({ versions, failed, rounds }, undefined, 1)}\n`)
  await writeFile(join(folder, `${name}.svg`), picture(rounds.map(barOf)))
  return failed
}

function barOf({ number, kind, steps }: Round): { label: string; steps: Round['steps'] } {
  return { label: `${number} ${kind}`, steps: inside(steps, 'held', 'resumed') }
}

function of(rounds: readonly Round[], kind: Round['kind']): Round[] {
  return rounds.filter((round) => round.kind === kind)
}

function measured(rounds: readonly Round[]): number[] {
  return rounds.flatMap(({ freezeMs }) => freezeMs ?? [])
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
