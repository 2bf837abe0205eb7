// What the extender knows of every node, kept up to date change by change so that no request has to add anything up.
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import { annotations } from '../api/names.ts'
import type { NodeMigrationCapacity } from '../api/node-migration-capacity.ts'
import type { PodMigration } from '../api/pod-migration.ts'
import { CompatibleShares } from './compatible-share.ts'
import { NamedNodes } from './named-nodes.ts'
import { imagesOf, type NodeFacts, NodeTable } from './node-facts.ts'
import { OpenMoves } from './open-moves.ts'
import { type Amounts, addAmounts, allocatableOf, controllerUid, podKey, podRequests, takesRoom } from './requests.ts'

export interface CountedPod {
  pod: V1Pod
  amounts: Amounts
  ownerUid: string | undefined
  nodeName: string
}

export class ClusterIndex {
  readonly #nodes = new NodeTable()
  readonly named = new NamedNodes(this.#nodes)
  readonly moves = new OpenMoves(this.#nodes)
  readonly #pods = new Map<string, CountedPod>()
  /** Pods with required anti-affinity of their own: they may refuse a newcomer. */
  readonly #guarding = new Map<string, CountedPod>()
  readonly #shares = new CompatibleShares()
  readonly #podUsage = new Map<string, Amounts>()
  readonly #owners = new Map<string, Map<NodeFacts, number>>()

  get nodes(): IterableIterator<NodeFacts> {
    return this.#nodes.values()
  }

  get pods(): IterableIterator<CountedPod> {
    return this.#pods.values()
  }

  get guardingPods(): IterableIterator<CountedPod> {
    return this.#guarding.values()
  }

  node(name: string): NodeFacts | undefined {
    return this.#nodes.get(name)
  }

  setNode(node: V1Node): void {
    const facts = this.#nodes.take(node.metadata?.name ?? '')
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
    const facts = this.#nodes.take(nodeName)
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
    const facts = this.#nodes.take(counted.nodeName)
    addAmounts(facts.requested, counted.amounts, -1)
    facts.pods.delete(key)
    if (counted.ownerUid) this.#countOwner(counted.ownerUid, facts, -1)
    const migration = counted.pod.metadata?.annotations?.[annotations.migrationName]
    if (migration) change(facts.landed, migration, -1)
  }

  setCapacity(capacity: NodeMigrationCapacity): void {
    const facts = this.#nodes.take(capacity.spec.nodeName)
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

  /** The node that the pod is counted on. */
  nodeOfPod(key: string): NodeFacts | undefined {
    return this.#nodes.get(this.#pods.get(key)?.nodeName ?? '')
  }

  usageOf(key: string): Amounts | undefined {
    return this.#podUsage.get(key)
  }
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
  for (const migration of view.migrations) index.moves.set(migration)
  return index
}

function change<K>(counts: Map<K, number>, key: K, by: 1 | -1): void {
  const left = (counts.get(key) ?? 0) + by
  if (left > 0) counts.set(key, left)
  else counts.delete(key)
}
