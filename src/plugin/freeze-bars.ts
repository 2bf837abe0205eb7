// The freeze, step by step, as bars on one scale: which step took how much of it, and when. Pure.
import type { PodMigrationStatus } from '../api/pod-migration.ts'
import { table } from './output.ts'

const widthColumns = 40

export function freezeBars({ freeze, preCopy }: PodMigrationStatus): string {
  return roundRows(preCopy?.rounds ?? []) + stepRows(freeze?.steps ?? [])
}

function roundRows(rounds: NonNullable<PodMigrationStatus['preCopy']>['rounds']): string {
  if (rounds.length === 0) return ''
  const rows = rounds.map(({ round, copiedMB, sentMB, durationMs, dirtyRateMBps }) => [
    `  ${round}`,
    `${copiedMB} MB`,
    sentMB === undefined ? '' : `${sentMB} MB`,
    `${durationMs} ms`,
    round === 1 ? '' : `${dirtyRateMBps} MB/s`,
  ])
  return `Rounds:\n${table(['  ROUND', 'COPIED', 'SENT', 'TOOK', 'DIRTIED'], rows)}`
}

function stepRows(steps: readonly { name: string; ms: number }[]): string {
  const totalMs = steps.reduce((sum, { ms }) => sum + ms, 0)
  if (totalMs <= 0) return ''
  let beganMs = 0
  const rows = steps.map(({ name, ms }) => {
    const row = [`  ${name}`, `${ms} ms`, bar(beganMs / totalMs, ms / totalMs)]
    beganMs += ms
    return row
  })
  return `Freeze by step:\n${table(['  STEP', 'TOOK', `0 to ${Math.round(totalMs)} ms`], rows)}`
}

function bar(from: number, share: number): string {
  const start = Math.min(widthColumns - 1, Math.floor(from * widthColumns))
  const length = Math.max(1, Math.min(widthColumns - start, Math.round(share * widthColumns)))
  return `|${' '.repeat(start)}${'#'.repeat(length)}${' '.repeat(widthColumns - start - length)}|`
}
