// What the extender knows of every node, kept up to date change by change so that no request has to add anything up.
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import { annotations } from '../api/names.ts'
import type { NodeMigrationCapacity } from '../api/node-migration-capacity.ts'
import type { PodMigration } from '../api/pod-migration.ts'
import { CompatibleShares } from './compatible-share.ts'
import { emptyNode, imagesOf, type NodeFacts } from './node-facts.ts'
import { type Amounts, addAmounts, allocatableOf, controllerUid, podKey, podRequests, takesRoom } from './requests.ts'
import { migrationKey, type Reservation, reservationOf } from './reservations.ts'

const [quote, comma, close] = [...Buffer.from('",]')] as [number, number, number]

export interface CountedPod {
  pod: V1Pod
  amounts: Amounts
  ownerUid: string | undefined
  nodeName: string
}

export interface MigrationFacts {
  migration: PodMigration
  reservation: Reservation | undefined
}

export class ClusterIndex {
  readonly #nodes = new Map<string, NodeFacts>()
  readonly #pods = new Map<string, CountedPod>()
  readonly #migrations = new Map<string, MigrationFacts>()
  #reservationCount = 0
  /** Pods with an open move, and which: more than one only while one ends and the next begins. */
  readonly #leaving = new Map<string, Set<string>>()
  readonly #failuresByNode = new Map<string, Map<string, number>>()
  /** Pods with required anti-affinity of their own: they may refuse a newcomer. */
  readonly #guarding = new Map<string, CountedPod>()
  readonly #shares = new CompatibleShares()
  readonly #podUsage = new Map<string, Amounts>()
  readonly #owners = new Map<string, Map<NodeFacts, number>>()
  /** Nodes are never forgotten, only emptied: what was found stays right until a new one comes. */
  readonly #lookedUp = new WeakMap<readonly string[], { nodeCount: number; nodes: readonly (NodeFacts | undefined)[] }>()

  get nodes(): IterableIterator<NodeFacts> {
    return this.#nodes.values()
  }

  get pods(): IterableIterator<CountedPod> {
    return this.#pods.values()
  }

  get guardingPods(): IterableIterator<CountedPod> {
    return this.#guarding.values()
  }

  /** Answers the question that ordinary pods ask most with one look-up. */
  get hasReservations(): boolean {
    return this.#reservationCount > 0
  }

  node(name: string): NodeFacts | undefined {
    return this.#nodes.get(name)
  }

  migration(key: string): MigrationFacts | undefined {
    return this.#migrations.get(key)
  }

  setNode(node: V1Node): void {
    const facts = this.#factsOf(node.metadata?.name ?? '')
    facts.node = node
    facts.allocatable = allocatableOf(node)
    facts.images = imagesOf(node)
  }

  deleteNode(name: string): void {
    const facts = this.#nodes.get(name)
    if (facts) facts.node = undefined
  }

  setPod(pod: V1Pod): void {
    this.deletePod(podKey(pod))
    const nodeName = pod.spec?.nodeName
    if (!nodeName || !takesRoom(pod)) return
    const ownerUid = controllerUid(pod)
    const counted = { pod, amounts: podRequests(pod), ownerUid, nodeName }
    this.#pods.set(podKey(pod), counted)
    if (pod.spec?.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.length)
      this.#guarding.set(podKey(pod), counted)
    const facts = this.#factsOf(nodeName)
    addAmounts(facts.requested, counted.amounts)
    facts.pods.set(podKey(pod), counted)
    if (ownerUid) this.#countOwner(ownerUid, facts, 1)
    const migration = pod.metadata?.annotations?.[annotations.migrationName]
    if (migration) change(facts.landed, migration, 1)
  }

  deletePod(key: string): void {
    const counted = this.#pods.get(key)
    if (!counted) return
    this.#pods.delete(key)
    this.#guarding.delete(key)
    const facts = this.#factsOf(counted.nodeName)
    addAmounts(facts.requested, counted.amounts, -1)
    facts.pods.delete(key)
    if (counted.ownerUid) this.#countOwner(counted.ownerUid, facts, -1)
    const migration = counted.pod.metadata?.annotations?.[annotations.migrationName]
    if (migration) change(facts.landed, migration, -1)
  }

  setCapacity(capacity: NodeMigrationCapacity): void {
    const facts = this.#factsOf(capacity.spec.nodeName)
    facts.capacity = capacity
    facts.cpuFeatures = new Set(capacity.status?.cpuFeatures)
    this.#shares.set(facts, capacity)
  }

  deleteCapacity(nodeName: string): void {
    const facts = this.#nodes.get(nodeName)
    if (!facts) return
    facts.capacity = undefined
    this.#shares.delete(facts)
  }

  /** Part of the nodes to which a pod could be moved on from this one. */
  compatibleShare(facts: NodeFacts): number {
    return this.#shares.of(facts)
  }

  /** Takes the place of all that was known: what is not measured any more is not known any more. */
  setUsage(nodes: ReadonlyMap<string, Amounts>, pods: ReadonlyMap<string, Amounts>): void {
    for (const facts of this.#nodes.values()) facts.usage = nodes.get(facts.name)
    this.#podUsage.clear()
    for (const [key, amounts] of pods) this.#podUsage.set(key, amounts)
  }

  /** Pods of an owner by node: an owner has them on a few nodes, a node has many owners. */
  podsOfOwner(ownerUid: string): ReadonlyMap<NodeFacts, number> | undefined {
    return this.#owners.get(ownerUid)
  }

  #countOwner(ownerUid: string, facts: NodeFacts, by: 1 | -1): void {
    const counts = this.#owners.get(ownerUid) ?? new Map<NodeFacts, number>()
    change(counts, facts, by)
    if (counts.size > 0) this.#owners.set(ownerUid, counts)
    else this.#owners.delete(ownerUid)
  }

  /** The same names are asked about twice, to filter and to prioritize: they are looked up once. */
  nodesOf(names: readonly string[]): readonly (NodeFacts | undefined)[] {
    const known = this.#lookedUp.get(names)
    if (known?.nodeCount === this.#nodes.size) return known.nodes
    const nodes = names.map((name) => this.#nodes.get(name))
    this.#lookedUp.set(names, { nodeCount: this.#nodes.size, nodes })
    return nodes
  }

  /** The names of a JSON list and their nodes, mostly without looking one up. Undefined: it is no list of plain names. */
  readNames(json: Buffer): readonly string[] | undefined {
    const names: string[] = []
    const nodes: (NodeFacts | undefined)[] = []
    let before: NodeFacts | undefined
    for (let at = 1; ; at++) {
      let facts = before?.next
      if (facts && isAt(json, at, facts.quoted)) at += facts.quoted.length
      else {
        const end = json.indexOf(quote, at + 1)
        if (json[at] !== quote || end < 0) return undefined
        const name = json.toString('utf8', at + 1, end)
        if (name.includes('\\')) return undefined
        facts = this.#nodes.get(name)
        if (before) before.next = facts
        if (!facts) names.push(name)
        at = end + 1
      }
      if (facts) names.push(facts.name)
      nodes.push(facts)
      before = facts
      if (json[at] === comma) continue
      if (json[at] !== close || at !== json.length - 1) return undefined
      this.#lookedUp.set(names, { nodeCount: this.#nodes.size, nodes })
      return names
    }
  }

  /** The node that the pod is counted on. */
  nodeOfPod(key: string): NodeFacts | undefined {
    return this.#nodes.get(this.#pods.get(key)?.nodeName ?? '')
  }

  usageOf(key: string): Amounts | undefined {
    return this.#podUsage.get(key)
  }

  setMigration(migration: PodMigration): void {
    const key = migrationKey(migration)
    this.deleteMigration(key)
    const reservation = reservationOf(migration)
    this.#migrations.set(key, { migration, reservation })
    if (reservation) this.reserve(reservation)
    if (reservation) this.#leaving.set(reservation.sourcePodKey, (this.#leaving.get(reservation.sourcePodKey) ?? new Set()).add(key))
    const failedAtMs = failureInstantMs(migration)
    const nodeName = migration.status?.destinationNode
    if (!nodeName || failedAtMs === undefined) return
    put(this.#failuresByNode, nodeName, key, failedAtMs)
    this.#factsOf(nodeName).hasFailures = true
  }

  deleteMigration(key: string): void {
    const facts = this.#migrations.get(key)
    if (!facts) return
    this.#migrations.delete(key)
    if (facts.reservation) {
      if (this.#factsOf(facts.reservation.nodeName).reservations.delete(key)) this.#reservationCount--
      const moves = this.#leaving.get(facts.reservation.sourcePodKey)
      moves?.delete(key)
      if (moves?.size === 0) this.#leaving.delete(facts.reservation.sourcePodKey)
    }
    const nodeName = facts.migration.status?.destinationNode
    if (!nodeName) return
    remove(this.#failuresByNode, nodeName, key)
    this.#factsOf(nodeName).hasFailures = this.#failuresByNode.has(nodeName)
  }

  /** Also for moves that are only planned so far (the descheduler's cycle). */
  reserve(reservation: Reservation): void {
    const { reservations } = this.#factsOf(reservation.nodeName)
    if (!reservations.has(reservation.migrationKey)) this.#reservationCount++
    reservations.set(reservation.migrationKey, reservation)
  }

  /** Room kept on the node for others than the pod that asks; a destination pod that is counted there already is not counted twice. */
  reserved(nodeName: string, asking: { podKey: string; migrationKey?: string | undefined }): Amounts | undefined {
    const facts = this.#nodes.get(nodeName)
    if (!facts || facts.reservations.size === 0) return undefined
    const total: Record<string, number> = {}
    for (const [key, reservation] of facts.reservations) {
      if (facts.landed.has(key) || key === asking.migrationKey || reservation.sourcePodKey === asking.podKey) continue
      addAmounts(total, reservation.amounts)
    }
    return total
  }

  /** The same for one resource. */
  reservedOf(facts: NodeFacts, resource: string, asking: { podKey: string; migrationKey?: string | undefined }): number {
    let total = 0
    for (const [key, reservation] of facts.reservations) {
      if (facts.landed.has(key) || key === asking.migrationKey || reservation.sourcePodKey === asking.podKey) continue
      total += reservation.amounts[resource] ?? 0
    }
    return total
  }

  /** The pod has room reserved elsewhere: a move of it is open. */
  isLeaving(key: string): boolean {
    return this.#leaving.has(key)
  }

  reservationCount(nodeName: string): number {
    return this.#nodes.get(nodeName)?.reservations.size ?? 0
  }

  failuresSince(nodeName: string, sinceMs: number): number {
    let count = 0
    for (const atMs of this.#failuresByNode.get(nodeName)?.values() ?? []) if (atMs >= sinceMs) count++
    return count
  }

  #factsOf(name: string): NodeFacts {
    let facts = this.#nodes.get(name)
    if (!facts) {
      facts = emptyNode(name)
      this.#nodes.set(name, facts)
    }
    return facts
  }
}

function isAt(json: Buffer, at: number, bytes: Buffer): boolean {
  // From its end: names of nodes begin alike.
  for (let position = bytes.length - 1; position >= 0; position--) if (json[at + position] !== bytes[position]) return false
  return true
}

export interface ClusterView {
  nodes: readonly V1Node[]
  pods: readonly V1Pod[]
  capacities: readonly NodeMigrationCapacity[]
  migrations: readonly PodMigration[]
}

export function indexOf(view: ClusterView): ClusterIndex {
  const index = new ClusterIndex()
  for (const node of view.nodes) index.setNode(node)
  for (const pod of view.pods) index.setPod(pod)
  for (const capacity of view.capacities) index.setCapacity(capacity)
  for (const migration of view.migrations) index.setMigration(migration)
  return index
}

function change<K>(counts: Map<K, number>, key: K, by: 1 | -1): void {
  const left = (counts.get(key) ?? 0) + by
  if (left > 0) counts.set(key, left)
  else counts.delete(key)
}

function failureInstantMs(migration: PodMigration): number | undefined {
  const { phase, completedAt } = migration.status ?? {}
  if (phase !== 'Failed' && phase !== 'RolledBack') return undefined
  return completedAt ? Date.parse(completedAt) : 0
}

function put<V>(outer: Map<string, Map<string, V>>, outerKey: string, key: string, value: V): void {
  const inner = outer.get(outerKey)
  if (inner) inner.set(key, value)
  else outer.set(outerKey, new Map([[key, value]]))
}

function remove<V>(outer: Map<string, Map<string, V>>, outerKey: string, key: string): void {
  const inner = outer.get(outerKey)
  inner?.delete(key)
  if (inner?.size === 0) outer.delete(outerKey)
}
