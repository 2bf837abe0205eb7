// Conditions: Unknown with the intent before a step acts, True or False with what was seen after; and which agent step proves which.
import type { MoveRecord, MoveStep } from '../api/agent-wire.ts'
import type { ConditionType } from '../api/phases.ts'
import type { Condition, PodMigrationStatus } from '../api/pod-migration.ts'
import type { Instant } from './observed.ts'

export type ConditionVerdict = Omit<Condition, 'lastTransitionTime'>

export function isoTime(atMs: Instant): string {
  return new Date(atMs).toISOString()
}

/** The time changes only when the verdict does; a step's own time wins over ours. */
export function setCondition(status: PodMigrationStatus, verdict: ConditionVerdict, atMs: Instant): PodMigrationStatus {
  const conditions = status.conditions ?? []
  const existing = conditions.find((condition) => condition.type === verdict.type)
  const same = existing?.status === verdict.status && existing.reason === verdict.reason
  const next = { ...verdict, lastTransitionTime: same ? existing.lastTransitionTime : isoTime(atMs) }
  const replaced = existing ? conditions.map((condition) => (condition === existing ? next : condition)) : [...conditions, next]
  return { ...status, conditions: replaced }
}

export function intend(status: PodMigrationStatus, type: ConditionType, message: string, atMs: Instant): PodMigrationStatus {
  const known = status.conditions?.find((condition) => condition.type === type)
  return known ? status : setCondition(status, { type, status: 'Unknown', reason: 'Intended', message }, atMs)
}

/** What is about to happen inside the freeze, where nothing is written to the API server any more. */
export const insideFreeze: readonly [ConditionType, string][] = [
  ['ZeroWindowArmed', 'the destination is about to hold the traffic of the pod'],
  ['OverlayReady', 'routes are about to point to the destination'],
  ['ConnectionCountParity', 'connections are about to be counted on both sides'],
  ['TCPSequenceContinuityVerified', 'sequence numbers are about to be compared'],
  ['SocketsLive', 'sockets are about to leave repair mode'],
  ['ZeroWindowDisarmed', 'held packets are about to be let in'],
  ['ProcessResumedAfterSocketsLive', 'processes are about to go on'],
]

interface Proof {
  type: ConditionType
  reason: string
  message: string
}

/** One row a step: the condition that this step proves. */
const proofs: Partial<Record<MoveStep, Proof>> = {
  held: { type: 'ZeroWindowArmed', reason: 'TrafficHeld', message: 'the destination queues the traffic of the pod' },
  diverted: { type: 'OverlayReady', reason: 'RoutesDiverted', message: 'routes point to the destination' },
  socketsLive: { type: 'SocketsLive', reason: 'SocketsLive', message: 'all sockets left repair mode on the destination' },
  released: { type: 'ZeroWindowDisarmed', reason: 'TrafficReleased', message: 'held packets went in, in order' },
  resumed: { type: 'ProcessResumedAfterSocketsLive', reason: 'Resumed', message: 'processes went on after their sockets were live' },
  undone: { type: 'ZeroWindowDisarmed', reason: 'HoldUndone', message: 'the traffic goes to the source again' },
}

export function conditionsFromSteps(status: PodMigrationStatus, steps: MoveRecord['steps']): PodMigrationStatus {
  return steps.reduce((next, { step, atMs }) => {
    const proof = proofs[step]
    return proof ? setCondition(next, { ...proof, status: 'True' }, atMs) : next
  }, status)
}

/** What was promised and will not happen any more. */
export function closeConditions(status: PodMigrationStatus, reason: string, atMs: Instant): PodMigrationStatus {
  return (status.conditions ?? [])
    .filter((condition) => condition.status === 'Unknown')
    .reduce(
      (next, { type }) => setCondition(next, { type, status: 'False', reason, message: 'the move ended before this step' }, atMs),
      status,
    )
}
