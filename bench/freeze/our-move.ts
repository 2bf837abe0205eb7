// One move by the product: a PodMigration, and what its status says about the freeze.
import type { PodMigration } from '../../src/api/pod-migration.ts'
import type { World } from '../../test/lab/product/world.ts'
import { between, breakdown, type Step } from './timeline.ts'

export interface Moved {
  /** Traffic held until the pod runs again; undefined when the move failed. */
  freezeMs: number | undefined
  /** What the product itself calls its freeze: first process frozen to last process running. */
  frozenMs?: number | undefined
  steps: Step[]
  /** Of copying memory ahead. */
  roundsMs?: number[]
  breakdown: string
  failure: string | undefined
}

export async function ourMove(world: World, podName: string, targetNodeName: string): Promise<Moved> {
  return movedBy(await migrateQuietly(world, { podName, targetNodeName, freezeWindowBudgetMs: 10_000 }))
}

export function movedBy({ status }: PodMigration): Moved {
  const steps = (status?.timeline ?? []).map(({ step, at }) => ({ step, atMs: Date.parse(at) }))
  const complete = status?.phase === 'Complete'
  return {
    freezeMs: complete ? between(steps, 'held', 'resumed') : undefined,
    frozenMs: status?.freeze?.freezeMs,
    steps,
    roundsMs: (status?.preCopy?.rounds ?? []).map(({ durationMs }) => durationMs),
    breakdown: breakdown(steps, 'held', 'resumed'),
    failure: complete ? undefined : `${status?.phase}: ${status?.failure?.message ?? status?.message}`,
  }
}

/** One kubectl that waits: asking again and again takes a good part of two cores, and the plain move is not asked either. */
export async function migrateQuietly(world: World, spec: Record<string, unknown>): Promise<PodMigration> {
  const wanted = world.migration(spec)
  const applied = await world.apply(wanted)
  if (applied.exitCode !== 0) throw new Error(`applying a PodMigration of ${spec.podName}: ${applied.all}`)
  await world.kubectl('wait', `podmigration/${wanted.metadata.name}`, '--for=jsonpath={.status.completedAt}', '--timeout=180s')
  return await world.ended(wanted.metadata.name)
}
