// Metrics and log lines of a migration that changes its phase.
import { isTerminal } from '../api/phases.ts'
import type { PodMigrationStatus } from '../api/pod-migration.ts'
import { log } from '../runtime/log.ts'
import { flows, freezeSeconds, holdSeconds, migrations, movedBytes, phaseSeconds, sequenceDelta } from '../runtime/metrics.ts'
import type { Instant, Migration } from './observed.ts'

/** Since when each open migration is in its phase; lost with the leader, like the histograms themselves. */
const enteredAtMs = new Map<string, Instant>()

export function measure({ metadata, status: before }: Migration, after: PodMigrationStatus, nowMs: Instant): void {
  if (before.phase === after.phase) return
  const uid = metadata.uid ?? ''
  const since = enteredAtMs.get(uid)
  if (since !== undefined && before.phase) phaseSeconds.observe({ phase: before.phase }, (nowMs - since) / 1000)
  enteredAtMs.set(uid, nowMs)
  log.info(
    { migration: `${metadata.namespace}/${metadata.name}`, from: before.phase, to: after.phase, detail: after.message },
    'phase changed',
  )
  if (isTerminal(after.phase)) measureEnd(uid, after)
}

function measureEnd(
  uid: string,
  { phase, failure, freeze, bytesMoved, connections, flows: counted, sequenceDelta: delta }: PodMigrationStatus,
): void {
  enteredAtMs.delete(uid)
  migrations.inc({ result: phase ?? 'Unknown', reason: failure?.code ?? '' })
  if (phase !== 'Complete') return
  if (freeze?.freezeMs !== undefined) freezeSeconds.observe(freeze.freezeMs / 1000)
  if (freeze?.holdMs !== undefined) holdSeconds.observe(freeze.holdMs / 1000)
  if (bytesMoved !== undefined) movedBytes.inc(bytesMoved)
  if (delta !== undefined) sequenceDelta.set(delta)
  if (counted) flows.inc({ outcome: 'relayed' }, counted.relayed)
  if (!connections) return
  flows.inc({ outcome: 'kept' }, connections.source - connections.lost)
  flows.inc({ outcome: 'lost' }, connections.lost)
}
