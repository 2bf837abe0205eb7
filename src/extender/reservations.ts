// Room that open migrations keep on their destination, until their destination pod is counted there itself.
import { isTerminal } from '../api/phases.ts'
import type { PodMigration } from '../api/pod-migration.ts'
import type { Amounts } from './requests.ts'

export interface Reservation {
  migrationKey: string
  /** namespace/name of the pod that moves: its own reservation never stands in its own way. */
  sourcePodKey: string
  nodeName: string
  amounts: Amounts
}

export function migrationKey(migration: PodMigration): string {
  return `${migration.metadata.namespace ?? migration.spec.podNamespace}/${migration.metadata.name}`
}

export function isOpen(migration: PodMigration): boolean {
  return !isTerminal(migration.status?.phase)
}

export function reservationOf(migration: PodMigration): Reservation | undefined {
  const kept = migration.status?.reservation
  if (!kept || !isOpen(migration)) return undefined
  return {
    migrationKey: migrationKey(migration),
    sourcePodKey: `${migration.spec.podNamespace}/${migration.spec.podName}`,
    nodeName: kept.nodeName,
    amounts: { cpu: kept.cpuMillis, memory: kept.memoryBytes, pods: 1 },
  }
}
