// One move under load: pgbench on the client host through the Service, the move, and what the clients say.
import { setTimeout as sleep } from 'node:timers/promises'
import type { World } from '../../test/lab/product/world.ts'
import { BenchClient, failures } from '../../test/lab/workloads/bench-client.ts'
import { worstGapMs } from '../../test/lab/workloads/pgbench.ts'
import type { Moved } from './our-move.ts'

export interface Round extends Moved {
  kind: 'ours' | 'plain'
  from: string
  to: string
  failed: number
  transactions: number
  worstGapMs: number
}

// A pgbench of its own for each move, so that a failure belongs to one; long enough for any, and ended when the move is over.
const longestMoveSeconds = 180
const aroundMoveMs = 2500

export async function underLoad(world: World, address: string, move: () => Promise<Moved>): Promise<Omit<Round, 'kind' | 'from' | 'to'>> {
  const bench = await BenchClient.start(world.lab, { address, seconds: longestMoveSeconds, logFolder: '/tmp/pgbench-freeze' })
  await sleep(aroundMoveMs)
  let moved: Moved
  try {
    moved = await move()
    await sleep(aroundMoveMs)
  } finally {
    await bench.end()
  }
  const result = await bench.finish()
  return { ...moved, failed: failures(result), transactions: result.transactions, worstGapMs: worstGapMs(result.transactionsLog) }
}
