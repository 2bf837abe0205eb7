// CutoverComplete: the destination gets the labels and its owner, the source is deleted, its frozen processes end silently.
import type { V1Pod } from '@kubernetes/client-node'
import { annotations } from '../../api/names.ts'
import type { PodMigrationStatus } from '../../api/pod-migration.ts'
import { isoTime } from '../conditions.ts'
import { type Decision, type Effect, end, stay } from '../decision.ts'
import { type Instant, isNodeGone, isRecord, type Migration, type Observed } from '../observed.ts'
import { controllerOf } from '../owner.ts'
import { isReady } from '../pod-containers.ts'
import { deletionOf, referenceTo } from '../pod-deletion.ts'
import { memoryLoss, recordIntoStatus } from '../records.ts'
import { identityOf, missingLabels, type SourceIdentity, writtenIdentity } from '../source-identity.ts'
import { tellSourceCommitted } from './tell-source.ts'

// A ReplicaSet prefers to delete a pod that is not Ready: with such a sibling it gets this long to recover, then we delete the source ourselves.
const siblingPatienceMs = 10_000
// The ReplicaSet deletes the surplus pod within a second; later than this it will not.
const ownerPatienceMs = 10_000
// Longer than any usual grace period: a kubelet that has not ended the source by then is away.
const kubeletPatienceMs = 60_000
// A source node that is silent does not keep a finished move open for ever: its agent ends the frozen pod when it is back.
const sourcePatienceMs = 300_000
const lookEveryMs = 200

export function cutoverComplete(migration: Migration, observed: Observed, nowMs: Instant): Decision {
  const recorded = recordIntoStatus(migration.status, observed)
  const status = recorded.cutoverAt ? recorded : { ...recorded, cutoverAt: isoTime(nowMs) }
  const sinceMs = nowMs - Date.parse(status.cutoverAt ?? '')
  const effects = [...tellSourceCommitted(status, observed), ...handOver(observed, status, sinceMs)]
  if (isSourceEnded(observed, status, sinceMs) && isHandedOver(observed)) return complete(status, observed, nowMs)
  return stay({ ...status, message: describe(observed) }, effects, lookEveryMs)
}

function handOver(observed: Observed, status: PodMigrationStatus, sinceMs: number): Effect[] {
  const { sourcePod, destinationPod } = observed
  if (!sourcePod) return [...endSource(observed, status), ...labelLate(observed, sinceMs)]
  if (destinationPod && !isLabelled(identityOf(sourcePod), destinationPod))
    return label(observed, status, sourcePod, destinationPod, sinceMs)
  if (destinationPod && leaveToOwner(sourcePod, sinceMs)) return sourcePod.metadata?.deletionTimestamp ? endSource(observed, status) : []
  return [...endSource(observed, status), ...deletionOf(sourcePod, sinceMs < kubeletPatienceMs)]
}

function leaveToOwner(source: V1Pod, sinceMs: number): boolean {
  return controllerOf(source) !== undefined && sinceMs < ownerPatienceMs
}

/** Somebody deleted the source after the commit: its owner, if there is one, still decides about the pod that it became. */
function labelLate(observed: Observed, sinceMs: number): Effect[] {
  const { destinationPod } = observed
  if (!destinationPod || isHandedOver(observed)) return []
  return isReady(destinationPod) || sinceMs >= siblingPatienceMs ? patchDestination(observed) : []
}

function isHandedOver(observed: Observed): boolean {
  const { destinationPod } = observed
  const identity = identityIn(observed)
  return !destinationPod || !identity || isLabelled(identity, destinationPod)
}

function identityIn({ sourcePod, destinationPod }: Observed): SourceIdentity | undefined {
  return sourcePod ? identityOf(sourcePod) : writtenIdentity(destinationPod)
}

function isLabelled(source: SourceIdentity, destination: V1Pod): boolean {
  return Object.entries(missingLabels(source, destination)).length === 0
}

function label(observed: Observed, status: PodMigrationStatus, source: V1Pod, destination: V1Pod, sinceMs: number): Effect[] {
  const unreadySibling = observed.siblings.some((sibling) => !sibling.metadata?.deletionTimestamp && !isReady(sibling))
  const adopt = patchDestination(observed)
  if (!controllerOf(source)) return adopt
  if (isReady(destination) && !unreadySibling) return [lowestDeletionCost(source), ...adopt]
  if (isReady(destination) && sinceMs < siblingPatienceMs) return []
  // Left to itself the ReplicaSet would now delete the wrong pod: the source goes first.
  return [...endSource(observed, status), ...deletionOf(source, true), ...adopt]
}

function patchDestination(observed: Observed): Effect[] {
  const { destinationPod } = observed
  const identity = identityIn(observed)
  if (!destinationPod || !identity) return []
  // A pod without a controller keeps its plain owners; one whose controller is gone gets it back, and is collected like the source would be.
  const owners = identity.ownerReferences.filter((owner) => !owner.controller || !observed.ownerExists)
  const metadata = { labels: missingLabels(identity, destinationPod), ...(owners.length > 0 ? { ownerReferences: owners } : {}) }
  return [{ kind: 'patchPod', pod: referenceTo(destinationPod), patch: { metadata } }]
}

function lowestDeletionCost(source: V1Pod): Effect {
  return {
    kind: 'patchPod',
    pod: referenceTo(source),
    patch: { metadata: { annotations: { [annotations.podDeletionCost]: '-2147483648' } } },
  }
}

/** Without this kubelet would wait the whole grace period for processes that cannot hear it. */
function endSource({ source }: Observed, { sourceNode }: PodMigrationStatus): Effect[] {
  if (!sourceNode || !isRecord(source) || source.state === 'finished') return []
  return [{ kind: 'finish', nodeName: sourceNode, outcome: 'committed' }]
}

function isSourceEnded(observed: Observed, status: PodMigrationStatus, sinceMs: number): boolean {
  if (observed.sourcePod) return false
  const { source } = observed
  if (source === 'absent' || (isRecord(source) && source.state === 'finished')) return true
  return source === 'unreachable' && (isNodeGone(observed, status.sourceNode) || sinceMs > sourcePatienceMs)
}

function describe({ sourcePod, source }: Observed): string {
  if (sourcePod && !sourcePod.metadata?.deletionTimestamp) return 'handing over to the owner'
  if (source === 'unreachable') return 'waiting for the source agent to end the frozen pod'
  return 'the source is going'
}

function complete(status: PodMigrationStatus, observed: Observed, nowMs: Instant): Decision {
  const freezeMs = status.freeze?.freezeMs
  const frozen = freezeMs === undefined ? '' : `, frozen for ${Math.round(freezeMs)} ms`
  const lost = memoryLoss(status)
  const message = `moved from ${status.sourceNode} to ${status.destinationNode} as ${status.destinationPodName}${frozen}${lost ? `; ${lost}` : ''}`
  const { nextStep: _done, ...rest } = status
  const effects: Effect[] =
    status.destinationNode && isRecord(observed.destination) && observed.destination.state !== 'finished'
      ? [{ kind: 'finish', nodeName: status.destinationNode, outcome: 'committed', bestEffort: true }]
      : []
  return end('Complete', { ...rest, message }, isoTime(nowMs), effects)
}
