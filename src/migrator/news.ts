// What people are told of the moment it is seen, whatever phase sees it. Pure.
import { notConverging, sourceLost, trafficHeld } from '../api/names.ts'
import type { PodMigrationStatus } from '../api/pod-migration.ts'
import type { News } from './decision.ts'
import { heldTraffic, memoryLoss } from './records.ts'

/** Of two statuses of one pass. */
export function newsOf(before: PodMigrationStatus, after: PodMigrationStatus): News[] {
  const [known, seen] = [toldBy(before), toldBy(after)]
  return seen.filter(({ reason }) => !known.some((one) => one.reason === reason))
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
