// What the extender answers kube-scheduler, from the index alone: pure, names in, some of the same names out.
import type { V1Pod } from '@kubernetes/client-node'
import type { HostPriority } from '../api/extender-wire.ts'
import { annotations, runtimeClassName } from '../api/names.ts'
import { isTerminal } from '../api/phases.ts'
import type { Refusal } from '../api/pod-migration.ts'
import type { ClusterIndex } from './cluster-index.ts'
import { eligibilityRefusals } from './compatibility.ts'
import { type Asking, askingFor, freeFor, hasRoom, roomRefusals } from './fit.ts'
import type { NodeFacts } from './node-facts.ts'
import { scoreOf } from './score.ts'

export interface FilterAnswer {
  passed: readonly string[]
  /** Preemption could help. */
  failed: Record<string, string>
  /** Preemption cannot help. */
  unresolvable: Record<string, string>
}

/** Nobody here has anything to say about the pod: kube-scheduler's own judgement stands. */
export function hasNoOpinion(index: ClusterIndex, pod: V1Pod, verb: 'filter' | 'prioritize'): boolean {
  if (isOurs(pod)) return false
  return verb === 'prioritize' || (!index.moves.hasReservations && pod.metadata?.annotations?.[annotations.migrationName] === undefined)
}

export function filterNames(index: ClusterIndex, pod: V1Pod, names: readonly string[]): FilterAnswer {
  const migrationKey = pod.metadata?.annotations?.[annotations.migrationName]
  if (migrationKey) {
    const answer = filterForDestination(index, migrationKey, names)
    if (answer) return answer
  }
  const ours = isOurs(pod)
  if (!ours && !index.moves.hasReservations) return { passed: names, failed: {}, unresolvable: {} }
  return filterByNode(index, askingFor(pod, index, { migrationKey, ignoreAffinity: true }), names, ours)
}

/** A pod that a migration made goes where its room is kept, and nowhere else. Undefined: nothing is known of a reservation (yet). */
function filterForDestination(index: ClusterIndex, migrationKey: string, names: readonly string[]): FilterAnswer | undefined {
  const facts = index.moves.migration(migrationKey)
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
  const passed: string[] = []
  const failed: Record<string, string> = {}
  const unresolvable: Record<string, string> = {}
  const nodes = index.named.of(names)
  for (let position = 0; position < names.length; position++) {
    const name = names[position] as string
    const facts = nodes[position]
    const isEligible = !ours || facts?.capacity?.status?.eligible === true
    // Most nodes have no reservation, and most pods then no more to ask.
    if (isEligible && !facts?.reservations.size) passed.push(name)
    else if (!isEligible)
      unresolvable[name] = `pods of RuntimeClass ${runtimeClassName} cannot be moved here: ${joined(eligibilityRefusals(facts?.capacity))}`
    else {
      const broken = facts && brokenReservation(index, asking, facts)
      if (broken) failed[name] = broken
      else passed.push(name)
    }
  }
  // The very list that was asked about says that nobody was left out.
  return { passed: passed.length === names.length ? names : passed, failed, unresolvable }
}

/** Room is kube-scheduler's own business, except where a migration keeps some that it cannot see. */
function brokenReservation(index: ClusterIndex, asking: Asking, facts: NodeFacts): string | undefined {
  if (hasRoom(asking, facts, index)) return undefined
  const reserved = index.moves.reserved(facts.name, asking)
  if (!reserved || Object.keys(reserved).length === 0) return undefined
  const refusals = roomRefusals(asking.requests, freeFor(asking, facts, index))
  return refusals.length > 0 ? `room is reserved for a live migration: ${joined(refusals)}` : undefined
}

/** One entry for each given name; ordinary pods get the same for all, which changes nothing. */
export function prioritizeNames(index: ClusterIndex, pod: V1Pod, names: readonly string[], nowMs: number): HostPriority[] {
  const score = scorer(index, pod, nowMs)
  if (!score) return neutralPriorities(names)
  return names.map((Host) => {
    const facts = index.node(Host)
    return { Host, Score: facts?.node ? score(facts) : 0 }
  })
}

/** The same as JSON: for thousands of names, making objects first takes longer than scoring. */
export function prioritizeJson(index: ClusterIndex, pod: V1Pod, names: readonly string[], nowMs: number): Buffer {
  const score = scorer(index, pod, nowMs)
  const nodes = index.named.of(names)
  const entries = names.map((name, position) => {
    const facts = nodes[position]
    if (!facts) return entryOf(name, 0)
    const points = score && facts.node ? score(facts) : 0
    facts.entries[points] ??= entryOf(name, points)
    return facts.entries[points]
  })
  return listOf(entries)
}

const [open, comma, close] = [...Buffer.from('[,]')] as [number, number, number]

function entryOf(Host: string, Score: number): Buffer {
  return Buffer.from(JSON.stringify({ Host, Score }))
}

function listOf(entries: readonly Buffer[]): Buffer {
  if (entries.length === 0) return Buffer.from('[]')
  let length = 1
  for (const entry of entries) length += entry.length + 1
  const list = Buffer.allocUnsafe(length)
  let at = 0
  for (const entry of entries) {
    list[at] = at === 0 ? open : comma
    list.set(entry, at + 1)
    at += entry.length + 1
  }
  list[at] = close
  return list
}

/** Undefined: no opinion. */
function scorer(index: ClusterIndex, pod: V1Pod, nowMs: number): ((facts: NodeFacts) => number) | undefined {
  if (!isOurs(pod)) return undefined
  const asking = askingFor(pod, index, {
    migrationKey: pod.metadata?.annotations?.[annotations.migrationName],
    nowMs,
    ignoreAffinity: true,
  })
  return (facts) => scoreOf(asking, facts, index)
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
