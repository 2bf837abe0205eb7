// How fast memory goes ahead where its migration sets no limit. A node whose processors are all at work has nothing to spare: there it goes slowly, for
// some seconds, and its pods keep their throughput (a PostgreSQL under pgbench 0.83 of it, the median of 8 moves; 0.6 at full speed).
import { readFileSync } from 'node:fs'

/** Of the last ten seconds, in percent, in which something waited for a processor. */
const busyFrom = 30
/** Large memory has to arrive some time. */
export const pacedForMs = 20_000

/** Pure: megabits a second; 0: as fast as it goes. `pressure` is what /proc/pressure/cpu says; a kernel that keeps none is taken for an idle one. */
export function paceMbps(pressure: string, busyNodeMbps: number): number {
  const waited = /^some avg10=([\d.]+)/.exec(pressure)?.[1] ?? 0
  return Number(waited) >= busyFrom ? busyNodeMbps : 0
}

export function readPressure(): string {
  try {
    return readFileSync('/proc/pressure/cpu', 'utf8')
  } catch {
    return ''
  }
}
