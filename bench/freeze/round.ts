// One move under load: pgbench on the client host through the Service, the move, and what the clients say.
import { setTimeout as sleep } from 'node:timers/promises'
import type { World } from '../../test/lab/product/world.ts'
import { BenchClient, failures } from '../../test/lab/workloads/bench-client.ts'
import { type Transaction, worstGapMs } from '../../test/lab/workloads/pgbench.ts'
import type { Moved } from './our-move.ts'
import { trackedSpan } from './timeline.ts'

export interface Round extends Moved {
  number: number
  kind: 'ours' | 'plain'
  from: string
  to: string
  failed: number
  transactions: number
  worstGapMs: number
  /** Transactions a second while its memory was copied ahead, over those before the move. */
  trackedShare?: number | undefined
}

// A pgbench of its own for each move, so that a failure belongs to one; long enough for any, and ended when the move is over.
const longestMoveSeconds = 180
const aroundMoveMs = 4000
const connectingMs = 1000

export async function underLoad(
  world: World,
  address: string,
  move: () => Promise<Moved>,
): Promise<Omit<Round, 'number' | 'kind' | 'from' | 'to'>> {
  const bench = await BenchClient.start(world.lab, { address, seconds: longestMoveSeconds, logFolder: '/tmp/pgbench-freeze' })
  await sleep(aroundMoveMs)
  const startedMs = Date.now()
  let moved: Moved
  try {
    moved = await move()
    await sleep(aroundMoveMs)
  } finally {
    await bench.end()
  }
  const result = await bench.finish()
  return {
    ...moved,
    failed: failures(result),
    transactions: result.transactions,
    worstGapMs: worstGapMs(result.transactionsLog),
    trackedShare: trackedShare(result.transactionsLog, startedMs, trackedSpan(moved.steps, moved.roundsMs ?? [])),
  }
}

/** Pure. Its first second is pgbench's start. */
export function trackedShare(
  log: readonly Transaction[],
  startedMs: number,
  span: { fromMs: number; untilMs: number } | undefined,
): number | undefined {
  if (!span) return undefined
  const rate = (fromMs: number, untilMs: number): number =>
    log.filter(({ endMs }) => endMs > fromMs && endMs <= untilMs).length / (untilMs - fromMs)
  return rate(span.fromMs, span.untilMs) / rate(startedMs - aroundMoveMs + connectingMs, startedMs)
}
