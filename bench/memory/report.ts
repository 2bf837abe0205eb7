// What the memory benchmark prints and keeps: a line a move, a line a case, the last line.
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PreCopyRound } from '../../src/api/pod-migration.ts'
import { ms } from '../freeze/statistics.ts'
import { byCase, caseLine, lastLine, nameOf } from './figures.ts'
import type { Measured } from './measure.ts'

const folder = join(import.meta.dirname, '..', 'results')
const lines: string[] = []

export function say(line: string): void {
  lines.push(line)
  console.log(line)
}

export function sayMove(move: Measured): void {
  const { by, from, to, freezeMs, frozenMs, estimatedMs, localMs, rounds = [], breakdown, failure } = move
  say(`${nameOf(move).padEnd(22)} ${by.padEnd(5)} ${from} → ${to}  ${ms(freezeMs).padStart(8)}  ${breakdown}`)
  if (by === 'ours') {
    say(
      `      frozen ${ms(frozenMs)}, estimated ${ms(estimatedMs)} · all local after ${ms(localMs)} · ${copiedIn(rounds)}; ${move.reason ?? ''} · ${move.movedMB} MB in all`,
    )
  }
  if (failure !== undefined) say(`      FAILED: ${failure}`)
}

export function copiedIn(rounds: readonly PreCopyRound[]): string {
  return rounds
    .map(({ copiedMB, sentMB = copiedMB, durationMs }) => `${Math.round(copiedMB)} MB (${Math.round(sentMB)} sent) in ${ms(durationMs)}`)
    .join(', ')
}

/** The moves of the last run, and its lines. */
export async function measuredBefore(): Promise<Measured[]> {
  const text = await readFile(join(folder, 'memory.txt'), 'utf8')
  lines.push(...text.split('\n').slice(0, text.split('\n').indexOf('')))
  return JSON.parse(await readFile(join(folder, 'memory.json'), 'utf8')).moves
}

/** Prints a line for each case and the last one, keeps all under bench/results; returns how many moves failed. */
export async function conclude(moves: readonly Measured[], versions: string): Promise<number> {
  say('')
  for (const together of byCase(moves).values()) say(caseLine(together))
  say(lastLine(moves))
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'memory.txt'), `${lines.join('\n')}\n`)
  await writeFile(join(folder, 'memory.json'), `${JSON.stringify({ versions, moves }, undefined, 1)}\n`)
  return moves.filter(({ failure }) => failure !== undefined).length
}
