// One move of the flows' pod and when it held and froze it, from the steps that the agents journalled.
import type { PodMigration } from '../../../src/api/pod-migration.ts'
import type { World } from '../product/world.ts'
import { movedApp } from './objects.ts'
import type { MoveTimes } from './summary.ts'

export interface FlowMove extends MoveTimes {
  migration: PodMigration
}

/** No freeze is as short as this: the move is rolled back with everything in place. */
const impossibleBudgetMs = 50

/** Where the pod would go now. */
export async function nextNode(world: World): Promise<string> {
  const pod = await world.pod(movedApp)
  const names = world.lab.nodes.map((node) => node.name)
  return names[(names.indexOf(pod.spec?.nodeName ?? '') + 1) % names.length] ?? ''
}

/** To the next node; `rollBack`: only nearly. Throws when it ends otherwise. */
export async function moveOn(world: World, rollBack = false): Promise<FlowMove> {
  const pod = await world.pod(movedApp)
  const target = await nextNode(world)
  const migration = await world.migrate(pod.metadata?.name ?? '', {
    targetNodeName: target,
    ...(rollBack ? { freezeWindowBudgetMs: impossibleBudgetMs } : {}),
  })
  const wanted = rollBack ? 'RolledBack' : 'Complete'
  if (migration.status?.phase === wanted) return { migration, ...timesOf(migration) }
  const said = `${migration.status?.phase}: ${migration.status?.failure?.code ?? ''} ${migration.status?.message ?? ''}`
  throw new Error(`moving ${pod.metadata?.name} to ${target}: expected ${wanted}, it is ${said}`)
}

function timesOf({ status }: PodMigration): MoveTimes {
  const at = (...steps: string[]): number | undefined => {
    const found = status?.timeline?.find(({ step }) => steps.includes(step))
    return found && Date.parse(found.at)
  }
  // One that ended before it held anything is nobody's wait.
  const fromMs = at('held', 'frozen') ?? Number.POSITIVE_INFINITY
  const untilMs = at('resumed', 'thawed') ?? fromMs
  const frozenMs = untilMs - (at('frozen') ?? untilMs)
  const freezeMs = status?.freeze?.freezeMs ?? (Number.isFinite(frozenMs) ? frozenMs : 0)
  return { fromMs, untilMs, freezeMs, relayed: status?.flows?.relayed ?? 0 }
}
