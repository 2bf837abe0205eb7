// What the extender answers kube-scheduler, from the index alone: pure, names in, some of the same names out.
import type { V1Pod } from '@kubernetes/client-node'
import type { HostPriority } from '../api/extender-wire.ts'
import { annotations, runtimeClassName } from '../api/names.ts'
import { isTerminal } from '../api/phases.ts'
import type { Refusal } from '../api/pod-migration.ts'
import type { ClusterIndex } from './cluster-index.ts'
import { eligibilityRefusals } from './compatibility.ts'
import { type Asking, askingFor, freeFor, roomRefusals } from './fit.ts'
import { scoreOf } from './score.ts'

export interface FilterAnswer {
  passed: readonly string[]
  /** Preemption could help. */
  failed: Record<string, string>
  /** Preemption cannot help. */
  unresolvable: Record<string, string>
}

export function filterNames(index: ClusterIndex, pod: V1Pod, names: readonly string[]): FilterAnswer {
  const migrationKey = pod.metadata?.annotations?.[annotations.migrationName]
  if (migrationKey) {
    const answer = filterForDestination(index, migrationKey, names)
    if (answer) return answer
  }
  const ours = isOurs(pod)
  if (!ours && !index.hasReservations) return { passed: names, failed: {}, unresolvable: {} }
  return filterByNode(index, askingFor(pod, index, { migrationKey, ignoreAffinity: true }), names, ours)
}

/** A pod that a migration made goes where its room is kept, and nowhere else. Undefined: nothing is known of a reservation (yet). */
function filterForDestination(index: ClusterIndex, migrationKey: string, names: readonly string[]): FilterAnswer | undefined {
  const facts = index.migration(migrationKey)
  if (!facts) return undefined
  if (isTerminal(facts.migration.status?.phase))
    return refuseAll(names, `PodMigration ${migrationKey} is over (${facts.migration.status?.phase}): its destination pod must not start`)
  const reservedOn = facts.reservation?.nodeName
  if (reservedOn === undefined) return undefined
  const answer = { passed: [] as string[], failed: {} as Record<string, string>, unresolvable: {} as Record<string, string> }
  for (const name of names) {
    if (name === reservedOn) answer.passed.push(name)
    else answer.unresolvable[name] = `PodMigration ${migrationKey} keeps its room on node ${reservedOn}`
  }
  return answer
}

function refuseAll(names: readonly string[], reason: string): FilterAnswer {
  return { passed: [], failed: {}, unresolvable: Object.fromEntries(names.map((name) => [name, reason])) }
}

function filterByNode(index: ClusterIndex, asking: Asking, names: readonly string[], ours: boolean): FilterAnswer {
  const answer = { passed: [] as string[], failed: {} as Record<string, string>, unresolvable: {} as Record<string, string> }
  for (const name of names) {
    const ineligible = ours ? eligibilityRefusals(index.node(name)?.capacity) : []
    const broken = ineligible.length > 0 ? undefined : brokenReservation(index, asking, name)
    if (ineligible.length > 0)
      answer.unresolvable[name] = `pods of RuntimeClass ${runtimeClassName} cannot be moved here: ${joined(ineligible)}`
    else if (broken) answer.failed[name] = broken
    else answer.passed.push(name)
  }
  return answer
}

/** Room is kube-scheduler's own business, except where a migration keeps some that it cannot see. */
function brokenReservation(index: ClusterIndex, asking: Asking, name: string): string | undefined {
  const facts = index.node(name)
  if (!facts || index.reservationCount(name) === 0) return undefined
  const reserved = index.reserved(name, asking)
  if (!reserved || Object.keys(reserved).length === 0) return undefined
  const refusals = roomRefusals(asking.requests, freeFor(asking, facts, index))
  return refusals.length > 0 ? `room is reserved for a live migration: ${joined(refusals)}` : undefined
}

/** One entry for each given name; ordinary pods get the same for all, which changes nothing. */
export function prioritizeNames(index: ClusterIndex, pod: V1Pod, names: readonly string[], nowMs: number): HostPriority[] {
  const score = scorer(index, pod, nowMs)
  return score ? names.map((Host) => ({ Host, Score: score(Host) })) : neutralPriorities(names)
}

/** The same as JSON: for thousands of names, writing objects first takes longer than scoring. */
export function prioritizeJson(index: ClusterIndex, pod: V1Pod, names: readonly string[], nowMs: number): string {
  const score = scorer(index, pod, nowMs) ?? (() => 0)
  let text = '['
  for (const name of names) {
    if (text.length > 1) text += ','
    text += `{"Host":${index.node(name)?.nameJson ?? JSON.stringify(name)},"Score":${score(name)}}`
  }
  return `${text}]`
}

/** Undefined: no opinion. */
function scorer(index: ClusterIndex, pod: V1Pod, nowMs: number): ((name: string) => number) | undefined {
  if (!isOurs(pod)) return undefined
  const asking = askingFor(pod, index, {
    migrationKey: pod.metadata?.annotations?.[annotations.migrationName],
    nowMs,
    ignoreAffinity: true,
  })
  return (name) => {
    const facts = index.node(name)
    return facts?.node ? scoreOf(asking, facts, index) : 0
  }
}

export function neutralPriorities(names: readonly string[]): HostPriority[] {
  return names.map((Host) => ({ Host, Score: 0 }))
}

function isOurs(pod: V1Pod): boolean {
  return pod.spec?.runtimeClassName === runtimeClassName
}

function joined(refusals: readonly Refusal[]): string {
  return refusals.map((refusal) => refusal.message).join('; ')
}
