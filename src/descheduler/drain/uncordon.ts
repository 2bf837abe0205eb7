// Uncordoning a node takes back the moves that its drain wished for, as far as they have not frozen anything yet.
import type { V1Node } from '@kubernetes/client-node'
import { type Phase, phases } from '../../api/phases.ts'
import type { PodMigration } from '../../api/pod-migration.ts'
import type { ControllerDeps } from '../../controller-deps.ts'
import { migrationKey } from '../../extender/reservations.ts'
import { isNotFound } from '../../kube/client.ts'
import { nodePath, podMigrationPath } from '../../kube/paths.ts'
import { log } from '../../runtime/log.ts'
import { drainedNodeAnnotation } from '../made-by.ts'

/** A cache may still show the node as it was before the cordon that led to the move. */
const youngestMs = 5_000
const lookEveryMs = 10_000
/** From here on something stands still; giving up then costs a pause as well, so the move goes on. */
const firstFreezing: Phase = 'Checkpointing'

export interface Cancellation {
  migration: PodMigration
  nodeName: string
}

export function movesToCancel(nodes: readonly V1Node[], migrations: readonly PodMigration[], nowMs: number): Cancellation[] {
  const open = new Set(nodes.filter((node) => !node.spec?.unschedulable).map((node) => node.metadata?.name ?? ''))
  const cancellations: Cancellation[] = []
  for (const migration of migrations) {
    const nodeName = migration.metadata.annotations?.[drainedNodeAnnotation]
    if (nodeName !== undefined && open.has(nodeName) && canBeTakenBack(migration, nowMs)) cancellations.push({ migration, nodeName })
  }
  return cancellations
}

function canBeTakenBack({ metadata, status }: PodMigration, nowMs: number): boolean {
  const ageMs = nowMs - Date.parse(metadata.creationTimestamp ?? '')
  const phase = status?.phase ?? 'Pending'
  return (
    metadata.deletionTimestamp === undefined &&
    ageMs >= youngestMs &&
    phases.indexOf(phase) < phases.indexOf(firstFreezing) &&
    status?.moveStartedAt === undefined
  )
}

/** Leader only; resolves when the signal aborts. */
export async function startUncordon(deps: ControllerDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const { nodes, migrations } = deps.caches
    for (const cancellation of movesToCancel(nodes.list(), migrations.list(), deps.clock.nowMs())) await takeBack(deps, cancellation)
    await deps.clock.sleep(lookEveryMs, signal)
  }
}

async function takeBack(deps: ControllerDeps, { migration, nodeName }: Cancellation): Promise<void> {
  const key = migrationKey(migration)
  try {
    // Asked of the API server itself: what the cache shows may be older than the cordon.
    const node = await deps.client.get<V1Node>(nodePath(nodeName))
    if (node.spec?.unschedulable) return
    const { uid } = migration.metadata
    await deps.client.delete(podMigrationPath(migration.spec.podNamespace, migration.metadata.name), uid === undefined ? {} : { uid })
    log.info({ migration: key, node: nodeName }, 'node was uncordoned, move taken back')
  } catch (error) {
    if (!isNotFound(error)) log.warn({ err: error, migration: key }, 'move was not taken back, trying again')
  }
}
