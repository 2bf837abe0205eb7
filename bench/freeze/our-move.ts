// One move by the product: a PodMigration, and what its status says about the freeze.
import type { PodMigration } from '../../src/api/pod-migration.ts'
import type { World } from '../../test/lab/product/world.ts'
import { between, breakdown, type Step } from './timeline.ts'

export interface Moved {
  /** Traffic held until the pod runs again; undefined when the move failed. */
  freezeMs: number | undefined
  /** What the product itself calls its freeze: first process frozen to last process running. */
  frozenMs?: number | undefined
  /** And what it had said that this would be. */
  estimatedMs?: number | undefined
  steps: Step[]
  /** Of copying memory ahead. */
  roundsMs?: number[]
  breakdown: string
  failure: string | undefined
}

export async function ourMove(world: World, podName: string, targetNodeName: string, bandwidthLimitMbps = 0): Promise<Moved> {
  return movedBy(await world.migrate(podName, { targetNodeName, freezeWindowBudgetMs: 10_000, bandwidthLimitMbps }))
}

export function movedBy({ status }: PodMigration): Moved {
  const steps = (status?.timeline ?? []).map(({ step, at }) => ({ step, atMs: Date.parse(at) }))
  const complete = status?.phase === 'Complete'
  return {
    freezeMs: complete ? between(steps, 'held', 'resumed') : undefined,
    frozenMs: status?.freeze?.freezeMs,
    estimatedMs: status?.estimate?.freezeMs,
    steps,
    roundsMs: (status?.preCopy?.rounds ?? []).map(({ durationMs }) => durationMs),
    breakdown: breakdown(steps, 'held', 'resumed'),
    failure: complete ? undefined : `${status?.phase}: ${status?.failure?.message ?? status?.message}`,
  }
}
