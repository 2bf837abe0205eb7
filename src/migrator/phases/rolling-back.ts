// RollingBack: the source first says that it will never commit, then the destination is discarded; nothing is torn down before that.
import type { V1Pod } from '@kubernetes/client-node'
import type { PodMigrationStatus } from '../../api/pod-migration.ts'
import { closeConditions, isoTime } from '../conditions.ts'
import { type Decision, type Effect, end, enter, stay } from '../decision.ts'
import { type AgentAnswer, type Instant, isNodeGone, isRecord, type Migration, type Observed } from '../observed.ts'
import { deletionOf } from '../pod-deletion.ts'
import { isDestinationOf } from '../pod-lookup.ts'
import { isCommitted, recordIntoStatus, saysCommitted } from '../records.ts'

const lookEveryMs = 200
// A destination agent that stays away holds nothing that matters: without a grant it never runs the copy, and it sweeps when it is back.
const destinationPatienceMs = 60_000

export function rollingBack(migration: Migration, observed: Observed, nowMs: Instant): Decision {
  const status = recordIntoStatus(migration.status, observed)
  if (isCommitted(status, observed) || isGrantOut(observed.source)) return tooLate(status)
  const reason = status.failure?.message ?? 'the move is given up'
  if (!isSourceSafe(status, observed))
    return stay({ ...status, message: sourceMessage(status, observed) }, abortAt(status.sourceNode, observed.source, reason), lookEveryMs)
  if (mayLiveThere(status, observed))
    return stay(
      { ...status, message: `waiting for the agent on ${status.destinationNode} to say whether the pod lives there` },
      [],
      lookEveryMs,
    )
  if (isKept(migration, nowMs)) {
    return stay({ ...status, message: 'the source runs; the failed destination is kept for inspection (spec.rollbackOnFailure: false)' })
  }
  return discardDestination({ ...migration, status }, observed, reason, nowMs)
}

/** Between our timeout and the source's answer the grant went out: there is no way back any more. */
function tooLate(status: PodMigrationStatus): Decision {
  const { failure: _overtaken, rollbackStartedAt: _never, nextStep: _none, ...rest } = status
  return enter('DisengageHold', { ...rest, granted: true, message: 'the grant was out already: the move goes on' })
}

/** Only the source's own word counts: a grant that the status knows of was given up before the way back began. */
function isGrantOut(source: AgentAnswer): boolean {
  return isRecord(source) && source.state === 'granted'
}

function hasGivenUp(answer: AgentAnswer): boolean {
  return answer === 'absent' || (isRecord(answer) && (answer.state === 'aborted' || answer.state === 'finished'))
}

function isDone(answer: AgentAnswer): boolean {
  return hasGivenUp(answer) && !(isRecord(answer) && answer.settled === false)
}

/**
 * Safe: it was never told to move, it gave up, or its node is gone and with it everything that it held. Not when it has undone everything: its
 * last step may hang for long, and a destination that was declared gone must not find its pod when it comes back meanwhile (seed 7375).
 */
function isSourceSafe(status: PodMigrationStatus, observed: Observed): boolean {
  return (
    !status.moveStartedAt || hasGivenUp(observed.source) || (observed.source === 'unreachable' && isNodeGone(observed, status.sourceNode))
  )
}

/** The source was lost with its node, perhaps after its grant: then the destination alone can say that it has not committed. */
function mayLiveThere({ moveStartedAt, destinationNode }: PodMigrationStatus, observed: Observed): boolean {
  const isUnheard = observed.source === 'unreachable' && observed.destination === 'unreachable'
  return moveStartedAt !== undefined && isUnheard && !isNodeGone(observed, destinationNode)
}

function sourceMessage(status: PodMigrationStatus, { source }: Observed): string {
  return source === 'unreachable'
    ? `waiting for the agent on ${status.sourceNode} to say that the pod runs again; it thaws by itself`
    : `going back: ${status.failure?.message ?? ''}`
}

function abortAt(nodeName: string | undefined, answer: AgentAnswer, reason: string): Effect[] {
  return nodeName && isRecord(answer) && !isDone(answer) ? [{ kind: 'abort', nodeName, reason }] : []
}

/** Clocks of the controllers' nodes differ by seconds; one that is further back was set back, and would keep it for as long. */
const mostSkewMs = 60_000

function isKept({ spec, status, metadata }: Migration, nowMs: Instant): boolean {
  const ageMs = nowMs - (Date.parse(status.startedAt ?? '') || 0)
  const isWithin = ageMs > -mostSkewMs && ageMs < spec.completionTimeoutSeconds * 1000
  return !spec.rollbackOnFailure && !metadata.deletionTimestamp && status.moveStartedAt !== undefined && isWithin
}

// The agent first: a pod object that goes while its stand-ins restore would be a crash, not a rollback, and one that goes before the packets that
// waited there are given back takes them with it.
function discardDestination(migration: Migration, observed: Observed, reason: string, nowMs: Instant): Decision {
  const { status } = migration
  const { destination } = observed
  const ended = finishAt(status.sourceNode, observed.source)
  // One that committed before its node went away does not give up; with nothing to live it finishes by itself.
  const aborts = saysCommitted(destination) ? [] : abortAt(status.destinationNode, destination, reason)
  const isPastWaiting = isOverdue(status, nowMs) && hasGivenUp(destination)
  if (aborts.length > 0 && !isPastWaiting) return stay(status, [...aborts, ...ended], lookEveryMs)
  const pod = ourDestination(migration, observed)
  if (pod) {
    const effects = [...deletionOf(pod, !isOverdue(status, nowMs)), ...ended]
    return stay({ ...status, message: 'discarding the destination pod' }, effects, lookEveryMs)
  }
  const sweeps = [...ended, ...finishAt(status.destinationNode, destination)]
  if (sweeps.length > 0) return stay({ ...status, message: 'the agents clean up' }, sweeps, lookEveryMs)
  if (isAwaited(status, observed, nowMs))
    return stay({ ...status, message: `waiting for the agent on ${status.destinationNode} to clean up` })
  return rolledBack(status, observed, nowMs)
}

function isAwaited(status: PodMigrationStatus, observed: Observed, nowMs: Instant): boolean {
  const silent =
    observed.destination === 'unreachable' && !isNodeGone(observed, status.destinationNode) && status.destinationPodName !== undefined
  return silent && !isOverdue(status, nowMs)
}

function isOverdue(status: PodMigrationStatus, nowMs: Instant): boolean {
  return !(nowMs - Date.parse(status.rollbackStartedAt ?? '') < destinationPatienceMs)
}

/** Answers when what the agent took back is back: the pod thawed, tables and routes as before. */
function finishAt(nodeName: string | undefined, answer: AgentAnswer): Effect[] {
  if (!nodeName || !isRecord(answer) || answer.state !== 'aborted') return []
  return [{ kind: 'finish', nodeName, outcome: 'aborted' }]
}

/** By its label: it may have been made a second time, when the first one was collected with its node. */
function ourDestination({ metadata, status }: Migration, { destinationPod }: Observed): V1Pod | undefined {
  const isOurs = destinationPod && isDestinationOf(metadata.uid, destinationPod)
  return isOurs && status.failure?.code !== 'NameTaken' ? destinationPod : undefined
}

function sourceNow(status: PodMigrationStatus, observed: Observed): string {
  if (!observed.sourcePod) return 'the source pod is gone'
  if (isNodeGone(observed, status.sourceNode)) return `node ${status.sourceNode} is gone, and the pod with it`
  return observed.sourcePod.metadata?.deletionTimestamp
    ? `the pod ends on ${status.sourceNode}, where it ran`
    : `the pod runs on ${status.sourceNode} as before`
}

function rolledBack(status: PodMigrationStatus, observed: Observed, nowMs: Instant): Decision {
  const message = `${sourceNow(status, observed)}: ${status.failure?.message ?? 'the move was given up'}`
  const closed = closeConditions(status, 'RolledBack', nowMs)
  return end('RolledBack', { ...closed, message }, isoTime(nowMs))
}
