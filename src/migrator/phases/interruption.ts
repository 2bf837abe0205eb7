// What may end any phase before the grant: cancellation, time, either pod going away, an effect that will never succeed.
import type { Phase } from '../../api/phases.ts'
import { type Instant, type Migration, type Observed } from '../observed.ts'
import { isGranted } from '../records.ts'
import { followedPhases } from './follow.ts'
import type { Failure } from './roll-back.ts'

const noWayBack: readonly Phase[] = ['RollingBack', 'TCPVerifying', 'ServiceVerifying', 'CutoverComplete']
// Validating says itself, with everything else, what is wrong with the pod.
const podNotNeededYet: readonly Phase[] = ['Pending', 'Validating']

export function interruption(migration: Migration, observed: Observed, nowMs: Instant): Failure | undefined {
  const { metadata, status } = migration
  if (noWayBack.includes(status.phase ?? 'Pending') || isGranted(status, observed)) return undefined
  if (metadata.deletionTimestamp) return { code: 'Cancelled', message: 'the PodMigration was deleted' }
  if (observed.refusedEffect) return { code: observed.refusedEffect.code, message: observed.refusedEffect.message }
  return timedOut(migration, nowMs) ?? sourceGone(migration, observed) ?? destinationDeleted(migration, observed)
}

function timedOut({ spec, status }: Migration, nowMs: Instant): Failure | undefined {
  const elapsedMs = nowMs - Date.parse(status.startedAt ?? '')
  if (!(elapsedMs > spec.completionTimeoutSeconds * 1000)) return undefined
  return {
    code: 'TimedOut',
    message: `not done after spec.completionTimeoutSeconds (${spec.completionTimeoutSeconds} s) in phase ${status.phase}${status.message ? `: ${status.message}` : ''}`,
    nextStep: 'remove what it waited for, or raise spec.completionTimeoutSeconds, and create it again',
  }
}

function sourceGone({ status }: Migration, { sourcePod }: Observed): Failure | undefined {
  if (podNotNeededYet.includes(status.phase ?? 'Pending')) return undefined
  if (!sourcePod) return { code: 'SourceGone', message: `pod ${status.sourcePodName} no longer exists` }
  if (sourcePod.metadata?.deletionTimestamp) return { code: 'SourceTerminating', message: `pod ${status.sourcePodName} is being deleted` }
  return undefined
}

/** While the agents act alone: to commit to a pod that goes away would end what its source still has. */
function destinationDeleted({ status }: Migration, { destinationPod }: Observed): Failure | undefined {
  if (!(followedPhases as readonly Phase[]).includes(status.phase ?? 'Pending')) return undefined
  const pod = `destination pod ${status.destinationPodName}`
  if (destinationPod?.metadata?.deletionTimestamp) return { code: 'DestinationDeleted', message: `${pod} is being deleted` }
  // A cache may not have it yet; once the agents worked with it, it was there.
  if (!destinationPod && status.timeline?.length) return { code: 'DestinationDeleted', message: `${pod} no longer exists` }
  return undefined
}
