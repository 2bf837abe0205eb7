// What the machine answers: the whole next status, the effects as data, and when to look again.
import type { V1Pod } from '@kubernetes/client-node'
import type { AwaitRequest, MoveRequest } from '../api/agent-wire.ts'
import type { Phase } from '../api/phases.ts'
import type { PodMigrationStatus } from '../api/pod-migration.ts'

export interface PodReference {
  namespace: string
  name: string
  uid: string
}

export type Effect =
  | { kind: 'addFinalizer' }
  | { kind: 'removeFinalizer' }
  | { kind: 'awaitDestination'; nodeName: string; request: AwaitRequest }
  | { kind: 'createDestinationPod'; pod: V1Pod }
  | { kind: 'startMove'; nodeName: string; request: MoveRequest }
  | { kind: 'abort'; nodeName: string; reason: string }
  | { kind: 'finish'; nodeName: string; outcome: 'committed' | 'aborted'; bestEffort?: boolean }
  | { kind: 'resolve'; nodeName: string; verdict: 'destinationGone' | 'committed' }
  | { kind: 'deletePod'; pod: PodReference; gracePeriodSeconds?: number }
  | { kind: 'patchPod'; pod: PodReference; patch: { metadata: object } }
  | News

/** `once`: told again it is not counted. */
export interface News {
  kind: 'event'
  type: 'Normal' | 'Warning'
  reason: string
  message: string
  once?: true
}

export interface Decision {
  status: PodMigrationStatus
  /** Performed in order, after the status is written; the first one that throws stops the rest, and the next pass tries again. */
  effects: readonly Effect[]
  /** When to look again even if nothing happens. */
  requeueAfterMs?: number
}

/** What the machine answers. */
export interface Decided extends Decision {
  /** Of facts that are seen for the first time: told before the status is written, since with the status they count as told. */
  news: readonly News[]
}

// While the agents act alone, the status follows them this closely: each look costs both agents and the API server time that the freeze needs,
// and the times in the status are the agents' own.
export const followEveryMs = 500
// A wait for something the API server will tell us about; the watch usually wakes us earlier.
const waitEveryMs = 1000

export function stay(status: PodMigrationStatus, effects: readonly Effect[] = [], requeueAfterMs: number = waitEveryMs): Decision {
  return { status, effects, requeueAfterMs }
}

/** The next phase is looked at in the next pass, at once. */
export function enter(phase: Phase, status: PodMigrationStatus, effects: readonly Effect[] = []): Decision {
  return { status: { ...status, phase }, effects, requeueAfterMs: 0 }
}

/** A terminal phase: what ends the story. The room kept on the destination is free again. */
export function end(phase: Phase, status: PodMigrationStatus, at: string, effects: readonly Effect[] = []): Decision {
  const { reservation: _released, ...rest } = status
  return { status: { ...rest, phase, completedAt: at }, effects, requeueAfterMs: 0 }
}
