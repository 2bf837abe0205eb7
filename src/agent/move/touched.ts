// How much memory processes touch in a moment: the kernel's marks of what was accessed are taken off, and counted when they have come back.
// Reads count like writes, so it is more than what has to be copied again; the program is not stopped and nothing of it changes. What tells
// writes alone (userfaultfd) has to be put into each process, which is too much for a question.
import { readFile, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

const momentMs = 250
/** clear_refs: the accessed marks of all pages. */
const accessedMarks = '1'

export interface Touched {
  touchedBytes: number
  touchedInMs: number
}

export async function touchedMemory(pids: readonly number[]): Promise<Touched> {
  // Processes that have ended meanwhile touch nothing.
  await Promise.all(pids.map((pid) => writeFile(`/proc/${pid}/clear_refs`, accessedMarks).catch(() => undefined)))
  const startedMs = performance.now()
  await sleep(momentMs)
  const rollups = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '')))
  return {
    touchedBytes: rollups.reduce((sum, rollup) => sum + touchedOf(rollup), 0),
    touchedInMs: Math.round(performance.now() - startedMs),
  }
}

/** Pure. Shared pages carry one mark for all who map them: each has its proportional share. */
export function touchedOf(rollup: string): number {
  const kilobytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1] ?? 0)
  const resident = kilobytes('Rss')
  return resident === 0 ? 0 : Math.round((kilobytes('Referenced') * kilobytes('Pss') * 1024) / resident)
}
