// How fast memory goes ahead where its migration sets no limit. A node whose processors are all at work has nothing to spare: there it goes slowly, for
// some seconds, and its pods keep their throughput (a PostgreSQL under pgbench 0.96 of it at 60 Mbps, 0.6 at full speed).
import { readFileSync } from 'node:fs'

/** Processor time since the node's start, in ticks, of all its processors. */
export interface Ticks {
  idle: number
  all: number
}

const busyUnderIdleShare = 0.3
/** Large memory has to arrive some time. */
export const pacedForMs = 20_000

/** Megabits a second; 0: as fast as it goes. A node whose processors cannot be measured is taken for an idle one. */
export function paceMbps(before: Ticks | undefined, now: Ticks | undefined, busyNodeMbps: number): number {
  if (before === undefined || now === undefined || now.all <= before.all) return 0
  return (now.idle - before.idle) / (now.all - before.all) < busyUnderIdleShare ? busyNodeMbps : 0
}

/** Pure: of /proc/stat, proc(5): user nice system idle iowait irq softirq steal, then guests' time, which is in the first two. */
export function parseTicks(stat: string): Ticks | undefined {
  const ticks = /^cpu +([\d ]+)/.exec(stat)?.[1]?.split(' ').map(Number).slice(0, 8)
  if (ticks === undefined) return undefined
  const [idle = 0, waits = 0] = ticks.slice(3, 5)
  return { idle: idle + waits, all: ticks.reduce((sum, one) => sum + one, 0) }
}

export function readTicks(): Ticks | undefined {
  try {
    return parseTicks(readFileSync('/proc/stat', 'utf8'))
  } catch {
    return undefined
  }
}
