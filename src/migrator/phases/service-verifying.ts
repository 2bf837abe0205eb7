// ServiceVerifying: kubelet's readiness and the application's own answer. A failure is reported; nothing goes back in time.
import type { PodMigrationStatus } from '../../api/pod-migration.ts'
import { setCondition } from '../conditions.ts'
import { type Decision, enter, stay } from '../decision.ts'
import type { Instant, Migration, Observed } from '../observed.ts'
import { isReady } from '../pod-containers.ts'
import { tellSourceCommitted } from './tell-source.ts'

// A pod that is not Ready this long after the commit (and after the timeout) will not get better by waiting with the cutover.
const shortestPatienceMs = 60_000
const askEveryMs = 250

export function serviceVerifying(migration: Migration, observed: Observed, nowMs: Instant): Decision {
  const { status } = migration
  const effects = tellSourceCommitted(status, observed)
  const { destinationPod } = observed
  if (!destinationPod)
    return verified(status, 'False', 'DestinationDeleted', 'the destination pod was deleted after the commit', nowMs, effects)
  const failing = whatFails(migration, observed)
  if (!failing) return verified(status, 'True', 'Answers', 'the pod is Ready on the destination', nowMs, effects)
  if (nowMs < deadlineMs(migration)) return stay({ ...status, message: `waiting on the destination: ${failing}` }, effects, askEveryMs)
  return verified(status, 'False', 'NotServing', failing, nowMs, effects)
}

function whatFails({ spec }: Migration, { destinationPod, probe }: Observed): string | undefined {
  if (!destinationPod || !isReady(destinationPod)) return 'the pod is not Ready'
  if (!spec.applicationProbe || (typeof probe === 'object' && probe.ok)) return undefined
  return typeof probe === 'object' ? `the application probe failed (${probe.message})` : 'the application probe has not answered yet'
}

function deadlineMs({ spec, status }: Migration): number {
  const startedMs = Date.parse(status.startedAt ?? '') || 0
  const committedMs = Date.parse(status.committedAt ?? '') || 0
  return Math.max(startedMs + spec.completionTimeoutSeconds * 1000, committedMs + shortestPatienceMs)
}

function verified(
  status: PodMigrationStatus,
  verdict: 'True' | 'False',
  reason: string,
  message: string,
  nowMs: Instant,
  effects: Decision['effects'],
): Decision {
  const next = setCondition(status, { type: 'ServiceVerified', status: verdict, reason, message }, nowMs)
  return enter('CutoverComplete', { ...next, message: verdict === 'True' ? 'handing over to the owner' : message }, effects)
}
