// What being tracked costs a program that writes as fast as it can: pages it writes a second while its memory goes ahead, over what it wrote
// before the move, in the same run.
import { setTimeout as sleep } from 'node:timers/promises'
import type { World } from '../../test/lab/product/world.ts'
import { HeapPod } from '../../test/lab/workloads/heap.ts'
import { median, ms } from '../freeze/statistics.ts'
import { trackedSpan } from '../freeze/timeline.ts'
import { moveHeap } from './measure.ts'
import { copiedIn } from './report.ts'

const sizeMB = 1024
const sampleMs = 100
const beforeMs = 5000
const allowedShare = 0.7

interface Sample {
  atMs: number
  written: number
}

/** Prints a last line; whether the program kept what it is promised. */
export async function throughput(world: World, moves: number, bandwidthLimitMbps: number): Promise<boolean> {
  const heap = await HeapPod.start(world, 'heap', [String(sizeMB), 'private'])
  const shares: number[] = []
  try {
    await heap.ask('dirty -1')
    for (let number = 1; number <= moves; number++) shares.push(...(await oneMove(world, heap, bandwidthLimitMbps)))
  } finally {
    await heap.close()
    await HeapPod.remove(world)
    await world.remove('podmigrations', '--all')
  }
  const share = median(shares)
  console.log(
    `memory: throughput while tracked${bandwidthLimitMbps > 0 ? ` at ${bandwidthLimitMbps} Mbps` : ''} ${share?.toFixed(2) ?? '-'} of its own (p50 of ${shares.length} moves) · failed ${moves - shares.length}`,
  )
  return share !== undefined && share >= allowedShare && shares.length === moves
}

async function oneMove(world: World, heap: HeapPod, bandwidthLimitMbps: number): Promise<number[]> {
  const over = new AbortController()
  const sampling = sample(heap, over.signal)
  await sleep(beforeMs)
  const startedMs = Date.now()
  const { failure, steps, rounds, freezeMs } = await moveHeap(world, { bandwidthLimitMbps }).finally(() => over.abort())
  const samples = await sampling
  const span = trackedSpan(
    steps,
    rounds.map(({ durationMs }) => durationMs),
  )
  if (failure !== undefined || !span) {
    console.log(`FAILED: ${failure ?? 'no timeline'}`)
    return []
  }
  const own = perSecond(samples, startedMs - beforeMs, startedMs)
  const tracked = perSecond(samples, span.fromMs, span.untilMs)
  console.log(
    `own ${millions(own)}, tracked for ${ms(span.untilMs - span.fromMs)} ${millions(tracked)} pages a second: ${(tracked / own).toFixed(2)} · ${copiedIn(rounds)} · freeze ${ms(freezeMs)}`,
  )
  return [tracked / own]
}

async function sample(heap: HeapPod, over: AbortSignal): Promise<Sample[]> {
  const samples: Sample[] = []
  while (!over.aborted) {
    const askedMs = Date.now()
    const written = Number(await heap.ask('written'))
    samples.push({ atMs: (askedMs + Date.now()) / 2, written })
    await sleep(sampleMs)
  }
  return samples
}

function perSecond(samples: readonly Sample[], fromMs: number, untilMs: number): number {
  const inside = samples.filter(({ atMs }) => atMs >= fromMs && atMs <= untilMs)
  const [first, last] = [inside[0], inside.at(-1)]
  return first && last && last.atMs > first.atMs ? ((last.written - first.written) / (last.atMs - first.atMs)) * 1000 : Number.NaN
}

function millions(value: number): string {
  return `${(value / 1e6).toFixed(2)} million`
}
