// Pods that were moved (or failed to be) a short while ago rest: without a memory, a policy would move the same pod back and forth.
import type { PodMigration } from '../api/pod-migration.ts'
import { isOpen } from '../extender/reservations.ts'

/** UIDs of the pods that rest. A dry run moved nothing. */
export function restingPods(migrations: readonly PodMigration[], cooldownSeconds: number, nowMs: number): Set<string> {
  const resting = new Set<string>()
  for (const migration of migrations) {
    const { spec, status } = migration
    const endedMs = Date.parse(status?.completedAt ?? '')
    if (spec.dryRun || isOpen(migration) || !(nowMs - endedMs < cooldownSeconds * 1000)) continue
    for (const uid of [status?.destinationPodUID, status?.sourcePodUID ?? spec.sourcePodUID]) if (uid) resting.add(uid)
  }
  return resting
}
