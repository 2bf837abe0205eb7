// ZeroWindowArm to DisengageHold: the agents act alone, the status follows their records. Nothing here decides for them.
import { annotations } from '../../api/names.ts'
import type { Phase } from '../../api/phases.ts'
import type { PodMigrationStatus } from '../../api/pod-migration.ts'
import { type Decision, type Effect, enter, followEveryMs, stay } from '../decision.ts'
import { type Instant, isNodeGone, isRecord, type Migration, type Observed } from '../observed.ts'
import {
  destinationGone,
  heldTraffic,
  isCommitted,
  isGranted,
  memoryLoss,
  phaseOfTimeline,
  recordIntoStatus,
  tcpConditions,
} from '../records.ts'
import { moveRequest } from '../requests-to-agents.ts'
import { becomeRollingBack, type Failure, failureOf } from './roll-back.ts'
import { tellSourceCommitted } from './tell-source.ts'

/** In the order of a move; a record that is read late may skip some, none goes back. */
export const followedPhases = [
  'ZeroWindowArm',
  'OverlayHandoff',
  'FinalFreeze',
  'StateCapture',
  'Transferring',
  'Restoring',
  'RestoreSocketReattach',
  'DisengageHold',
] as const satisfies readonly Phase[]

export function follow(migration: Migration, observed: Observed, nowMs: Instant): Decision {
  const status = tcpConditions(recordIntoStatus(migration.status, observed), nowMs)
  const seen = { ...migration, status }
  if (isCommitted(status, observed)) return committed(status, observed)
  // Finished and not committed: it gave up before, and was told so.
  if (isRecord(observed.source) && ['aborted', 'finished'].includes(observed.source.state)) return givenUp(seen, observed, nowMs)
  if (isGranted(status, observed)) return granted(seen, observed, nowMs)
  if (failureOf(observed)) return givenUp(seen, observed, nowMs)
  if (observed.source === 'absent') return unknownToSource(seen, observed, nowMs)
  return stay({ ...status, phase: latest(status), message: describe(observed, status) }, [], followEveryMs)
}

function latest(status: PodMigrationStatus): Phase {
  const order: readonly Phase[] = followedPhases
  const told = phaseOfTimeline(status.timeline)
  return order.indexOf(told) > order.indexOf(status.phase ?? 'ZeroWindowArm') ? told : (status.phase ?? 'ZeroWindowArm')
}

function describe(observed: Observed, status: PodMigrationStatus): string {
  if (observed.source === 'unreachable')
    return `the agent on ${status.sourceNode} does not answer; the agents go on, or thaw the source, by themselves`
  return 'the agents move the pod'
}

function givenUp(migration: Migration, observed: Observed, nowMs: Instant): Decision {
  // Granted and yet aborted: the destination said that it never will, or its node was proven to be gone.
  const resolved = migration.metadata.annotations?.[annotations.resolved] === 'destinationGone'
  const declared = migration.status.failure?.code === destinationGone
  const gone = migration.status.granted && (resolved || declared || isNodeGone(observed, migration.status.destinationNode))
  const failure = gone ? goneFailure(migration.status) : (failureOf(observed) ?? { code: 'Aborted', message: 'the agents gave up' })
  return becomeRollingBack(migration, failure, nowMs)
}

function goneFailure({ destinationNode }: PodMigrationStatus): Failure {
  return { code: destinationGone, message: `node ${destinationNode} went away before the pod lived there` }
}

function committed(status: PodMigrationStatus, observed: Observed): Decision {
  // It may have been declared that the destination is gone, when the source had heard of its commit already.
  const { failure: _overtaken, nextStep: _done, ...rest } = status
  const known: PodMigrationStatus = { ...rest, granted: true }
  const { destination } = observed
  const live = isRecord(destination) && (destination.state === 'live' || destination.state === 'finished')
  const effects = tellSourceCommitted(known, observed)
  // A destination that has forgotten has nothing left to do either.
  if (live || destination === 'absent') {
    return enter('TCPVerifying', { ...known, message: memoryLoss(known) ?? 'the pod lives on the destination' }, effects)
  }
  if (destination === 'unreachable' && isNodeGone(observed, status.destinationNode))
    return enter('TCPVerifying', { ...known, message: `the pod lived on ${status.destinationNode}, which is gone for good` }, effects)
  const held = heldTraffic(known)
  if (held) return stay({ ...known, phase: 'DisengageHold', message: held, nextStep: heldNextStep(status) }, effects, followEveryMs)
  const { stayedMB = 0, atSourceMB = 0 } = status.postCopy ?? {}
  const fetching = atSourceMB > 0 ? `, ${atSourceMB} of ${stayedMB} MB of its memory are still on ${status.sourceNode}` : ''
  const message = `committed: the pod belongs to ${status.destinationNode}${fetching}`
  return stay({ ...known, phase: 'DisengageHold', message }, effects, followEveryMs)
}

function heldNextStep({ destinationNode, destinationPodName }: PodMigrationStatus): string {
  return `look at the log of the agent on ${destinationNode}; pod ${destinationPodName} is not given up, but you may delete it`
}

// Granted and not heard of: the source stays frozen until somebody who knows speaks. Time alone proves nothing.
function granted(migration: Migration, observed: Observed, nowMs: Instant): Decision {
  const { metadata, status } = migration
  const next: PodMigrationStatus = { ...status, phase: 'DisengageHold', granted: true }
  const resolved = metadata.annotations?.[annotations.resolved] === 'destinationGone' || status.failure?.code === destinationGone
  if (status.sourceNode && (resolved || isNodeGone(observed, status.destinationNode))) {
    const effects: Effect[] = [{ kind: 'resolve', nodeName: status.sourceNode, verdict: 'destinationGone' }]
    const message = `the destination node ${status.destinationNode} is gone for good: the source may thaw`
    return stay({ ...next, failure: { ...goneFailure(status), phase: 'DisengageHold' }, message }, effects)
  }
  if (isLostWithSource(observed, status)) {
    const message = `node ${status.sourceNode} is gone for good with the pod, and ${status.destinationNode} never commits`
    return becomeRollingBack({ ...migration, status: next }, { code: 'SourceGone', message }, nowMs)
  }
  const waitedMs = nowMs - Date.parse(status.moveStartedAt ?? '')
  if (!(waitedMs > patienceMs)) return stay({ ...next, message: 'granted: the destination is about to commit' }, [], followEveryMs)
  return stay({
    ...next,
    message: `granted, but ${status.destinationNode} has not said whether it committed; the source stays frozen until that is known`,
    nextStep: `bring the agent on ${status.destinationNode} back; if the node is gone for good: kubectl podmotion resolve ${status.sourcePodName} --destination-gone`,
  })
}

/** Nobody is left who waits for the outcome, and the destination has none to tell. */
function isLostWithSource(observed: Observed, status: PodMigrationStatus): boolean {
  const { destination } = observed
  if (observed.source !== 'unreachable' || !isNodeGone(observed, status.sourceNode)) return false
  if (isRecord(destination)) return destination.state === 'aborted' || destination.state === 'finished'
  return destination === 'absent'
}

// A commit takes milliseconds; after this a person should know what is being waited for.
const patienceMs = 15_000

// The order may have been lost on the way: it is given again, with the same name. Once work was seen, a source without memory of it is an error.
function unknownToSource(migration: Migration, observed: Observed, nowMs: Instant): Decision {
  const { status } = migration
  const { sourcePod, destinationPod } = observed
  if (status.timeline?.length || !sourcePod || !destinationPod || !status.sourceNode) {
    const message = destinationPod ? `the agent on ${status.sourceNode} no longer knows this migration` : 'the destination pod vanished'
    return becomeRollingBack(migration, { code: destinationPod ? 'SourceForgot' : 'DestinationDeleted', message }, nowMs)
  }
  const request = moveRequest(migration, observed, sourcePod, destinationPod)
  return stay(status, [{ kind: 'startMove', nodeName: status.sourceNode, request }], followEveryMs)
}
