// What people are told: of facts when they are seen, whatever phase sees them, and of a move's end. Pure.
import { notConverging, sourceLost, trafficHeld } from '../api/names.ts'
import type { PodMigrationStatus } from '../api/pod-migration.ts'
import type { News } from './decision.ts'
import { heldTraffic, memoryLoss } from './records.ts'

/** Of two statuses of one pass. */
export function newsOf(before: PodMigrationStatus, after: PodMigrationStatus): News[] {
  const [known, seen] = [toldBy(before), toldBy(after)]
  return seen.filter(({ reason }) => !known.some((one) => one.reason === reason))
}

/** Told for as long as the finalizer is there, which goes after that: a controller that ends in between leaves nothing out. */
export function newsOfEnd({ phase, failure, message = '' }: PodMigrationStatus): News[] {
  if (phase === 'Complete') return [{ kind: 'event', type: 'Normal', reason: 'Moved', message, once: true }]
  if (phase === 'Failed') return [warning(failure?.code ?? 'Refused', failure?.message ?? message)]
  if (phase !== 'RolledBack') return []
  return [...(failure ? [goingBack(failure)] : []), warning('RolledBack', message)]
}

export function goingBack({ code, message }: { code: string; message: string }): News {
  return warning(code, `going back: ${message}`)
}

function toldBy(status: PodMigrationStatus): News[] {
  const found = status.preCopy?.nonConvergence
  const [lost, held] = [memoryLoss(status), heldTraffic(status)]
  return [
    // An abort tells it by its own reason.
    ...(found && found.answer !== 'Abort' ? [warning(notConverging, found.message)] : []),
    ...(lost ? [warning(sourceLost, lost)] : []),
    ...(held ? [warning(trafficHeld, held)] : []),
  ]
}

function warning(reason: string, message: string): News {
  return { kind: 'event', type: 'Warning', reason, message, once: true }
}
