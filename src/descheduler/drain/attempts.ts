// The moves that drain has tried with one pod: their names, and when the next may start.
import type { PodMigration } from '../../api/pod-migration.ts'
import { isOpen } from '../../extender/reservations.ts'

/** Longer than drain's own retry of 5 s, short enough for an autoscaler that gives up after two minutes. */
const cooldownMs = 10_000
/** A pod that can be moved is never evicted because moves of it failed: that would lose what it was moved for. It is tried again and again. */
const longestCooldownMs = 60_000

export interface Attempts {
  /** Attempts that ended without the pod having moved. */
  failed: number
  /** Why the last of them ended. */
  lastReason: string
  /** Name for the next one. */
  nextName: string
  /** How long until the next may start; 0: now. */
  waitMs: number
}

/** Named after the UID, so that two replicas or two requests at once make one and the same. */
function attemptName(podUid: string, attempt: number): string {
  return attempt === 1 ? `drain-${podUid}` : `drain-${podUid}-${attempt}`
}

export function attemptsOf(podUid: string, migrations: readonly PodMigration[], nowMs: number): Attempts {
  const numbered = migrations
    .map((migration) => ({ migration, attempt: attemptNumber(migration.metadata.name, podUid) }))
    .filter(({ migration, attempt }) => attempt > 0 && !isOpen(migration))
    .sort((one, other) => one.attempt - other.attempt)
  const last = numbered.at(-1)
  if (!last) return { failed: 0, lastReason: '', nextName: attemptName(podUid, 1), waitMs: 0 }
  const { status } = last.migration
  const endedMs = Date.parse(status?.completedAt ?? '') || 0
  return {
    failed: last.attempt,
    lastReason:
      status?.failure?.message ?? status?.refusals?.map((refusal) => refusal.message).join('; ') ?? status?.message ?? 'no reason given',
    nextName: attemptName(podUid, last.attempt + 1),
    waitMs: Math.max(0, endedMs + Math.min(longestCooldownMs, cooldownMs * last.attempt) - nowMs),
  }
}

function attemptNumber(name: string, podUid: string): number {
  const first = attemptName(podUid, 1)
  if (name === first) return 1
  if (!name.startsWith(`${first}-`)) return 0
  const number = Number(name.slice(first.length + 1))
  return Number.isInteger(number) && number > 1 ? number : 0
}
