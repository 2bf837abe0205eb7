// DestinationPrewarm: agent first, then the pod object; done when every container has its stand-in and the agent says so.
import type { V1Pod } from '@kubernetes/client-node'
import { labels } from '../../api/names.ts'
import { insideFreeze, intend, isoTime, setCondition } from '../conditions.ts'
import { type Decision, type Effect, enter, stay } from '../decision.ts'
import { buildDestinationPod } from '../destination-pod.ts'
import { type Instant, isRecord, type Migration, type Observed } from '../observed.ts'
import { allContainersRunning } from '../pod-containers.ts'
import { awaitRequest, moveRequest } from '../requests-to-agents.ts'
import { waitsForFreeze } from '../turn.ts'
import { becomeRollingBack, type Failure, failureOf } from './roll-back.ts'

// Image pull included; the source runs undisturbed all that time.
const prewarmTimeoutMs = 180_000
const prewarmEveryMs = 100

export function destinationPrewarm(migration: Migration, observed: Observed, nowMs: Instant): Decision {
  const failure = failureOf(observed) ?? brokenDestination(migration, observed, nowMs)
  if (failure) return becomeRollingBack(migration, failure, nowMs)
  const { destinationPod, sourcePod } = observed
  if (!destinationPod || !isRecord(observed.destination)) return announce(migration, observed)
  if (!sourcePod || observed.destination.state !== 'standing' || !allContainersRunning(destinationPod)) {
    return stay({ ...migration.status, ...destinationIdentity(destinationPod), message: describeWait(destinationPod) }, [], prewarmEveryMs)
  }
  const waits = waitsForFreeze([migration.status.sourceNode, migration.status.destinationNode], observed.migrations)
  if (waits) return stay({ ...migration.status, ...destinationIdentity(destinationPod), message: waits }, [], prewarmEveryMs)
  return armed(migration, observed, sourcePod, destinationPod, nowMs)
}

// The order matters: a pod whose node does not expect it would start as an empty copy, or wait for ever.
function announce(migration: Migration, observed: Observed): Decision {
  const { status } = migration
  const { sourcePod, destinationPod, destination } = observed
  const nodeName = status.destinationNode
  if (!sourcePod || !nodeName || !status.destinationPodName) return stay(status)
  const effects: Effect[] = []
  if (!isRecord(destination)) effects.push({ kind: 'awaitDestination', nodeName, request: awaitRequest(migration, observed, sourcePod) })
  if (!destinationPod) {
    effects.push({ kind: 'createDestinationPod', pod: buildDestinationPod(migration, sourcePod, nodeName, status.destinationPodName) })
  }
  const message = destination === 'unreachable' ? `waiting for the agent on ${nodeName} to expect the pod` : status.message
  return stay({ ...status, ...(message ? { message } : {}) }, effects, prewarmEveryMs)
}

function brokenDestination(
  { metadata, status }: Migration,
  { destinationPod, destination }: Observed,
  nowMs: Instant,
): Failure | undefined {
  const since = status.conditions?.find((condition) => condition.type === 'DestinationNetnsReady')?.lastTransitionTime
  const stands = isRecord(destination) && destination.state === 'standing'
  if (!stands && since && nowMs - Date.parse(since) > prewarmTimeoutMs) {
    const silent = destination === 'unreachable' ? `; the agent on ${status.destinationNode} does not answer` : ''
    return { code: 'DestinationNotStanding', message: `${describeWait(destinationPod)} after ${prewarmTimeoutMs / 1000} s${silent}` }
  }
  if (!destinationPod) return undefined
  const name = destinationPod.metadata?.name
  if (destinationPod.metadata?.labels?.[labels.migrationUid] !== metadata.uid) {
    return {
      code: 'NameTaken',
      message: `a pod named ${name} that is not ours exists on the way`,
      nextStep: `remove pod ${name} and try again`,
    }
  }
  const phase = destinationPod.status?.phase
  if (destinationPod.metadata?.deletionTimestamp) return { code: 'DestinationDeleted', message: `destination pod ${name} is being deleted` }
  if (phase === 'Failed' || phase === 'Succeeded') {
    return { code: 'DestinationFailed', message: `destination pod ${name} is ${phase}: ${destinationPod.status?.message ?? 'no message'}` }
  }
  return undefined
}

function destinationIdentity(pod: V1Pod): { destinationPodUID?: string } {
  return pod.metadata?.uid ? { destinationPodUID: pod.metadata.uid } : {}
}

/** What holds the destination pod up, in the words of scheduler and kubelet. */
function describeWait(pod: V1Pod | undefined): string {
  if (!pod) return 'the destination pod does not exist yet'
  const scheduled = pod.status?.conditions?.find((condition) => condition.type === 'PodScheduled')
  if (scheduled?.status === 'False') return `the destination pod is not scheduled (${scheduled.message ?? scheduled.reason ?? 'no reason'})`
  const waiting = pod.status?.containerStatuses?.map((status) => status.state?.waiting).find((state) => state?.reason)
  if (waiting) return `the destination pod waits (${waiting.reason}${waiting.message ? `: ${waiting.message}` : ''})`
  return 'the destination pod is getting its stand-ins'
}

/** The intent is written with the phase, and only then the agents are told: from here they act alone. */
function armed(migration: Migration, observed: Observed, source: V1Pod, destination: V1Pod, nowMs: Instant): Decision {
  const { status } = migration
  const ready = setCondition(
    { ...status, ...destinationIdentity(destination) },
    {
      type: 'DestinationNetnsReady',
      status: 'True',
      reason: 'StandInsWait',
      message: `all containers of ${destination.metadata?.name} have a stand-in`,
    },
    nowMs,
  )
  const frozen = insideFreeze.reduce((next, [type, message]) => intend(next, type, message, nowMs), ready)
  const keeps = migration.spec.mode === 'Cold' && observed.checkpointRetentionSeconds > 0
  const intended = keeps ? intend(frozen, 'CheckpointKept', `the images are kept on ${status.sourceNode} after the move`, nowMs) : frozen
  const effects: Effect[] = status.sourceNode
    ? [{ kind: 'startMove', nodeName: status.sourceNode, request: moveRequest(migration, observed, source, destination) }]
    : []
  return enter('ZeroWindowArm', { ...intended, moveStartedAt: isoTime(nowMs), message: 'the agents move the pod' }, effects)
}
