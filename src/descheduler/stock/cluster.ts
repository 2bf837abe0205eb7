// The cluster as the strategies of one run see it: pods that were chosen are gone from it, as in the stock descheduler's dry run.
import type { V1Namespace, V1Node, V1PersistentVolumeClaim, V1Pod, V1PodDisruptionBudget, V1PriorityClass } from '@kubernetes/client-node'
import { type Amounts, addAmounts, podKey, podRequests, takesRoom } from '../../extender/requests.ts'
import type { NodeMetrics, PodMetrics } from './metrics.ts'

export interface ClusterFacts {
  nodes: readonly V1Node[]
  pods: readonly V1Pod[]
  namespaces: readonly V1Namespace[]
  priorityClasses: readonly V1PriorityClass[]
  pdbs: readonly V1PodDisruptionBudget[]
  persistentVolumeClaims: readonly V1PersistentVolumeClaim[]
  nodeMetrics: readonly NodeMetrics[]
  podMetrics: readonly PodMetrics[]
  /** What Prometheus answered: query to node name to a share from 0 to 1; `anyQuery` where only one answer is there. */
  prometheus?: ReadonlyMap<string, ReadonlyMap<string, number>> | undefined
}

/** For what was not read. */
export const noFacts = { namespaces: [], priorityClasses: [], pdbs: [], persistentVolumeClaims: [], nodeMetrics: [], podMetrics: [] }

/** A snapshot holds an answer without its query. */
export const anyQuery = '*'

export class StockCluster {
  readonly facts: ClusterFacts
  readonly nowMs: number
  readonly #byNode = new Map<string, Map<string, V1Pod>>()
  readonly #requested = new Map<string, Record<string, number>>()
  readonly #ownedBy = new Map<string, number>()
  readonly #requests = new Map<string, Amounts>()

  constructor(facts: ClusterFacts, nowMs: number) {
    this.facts = facts
    this.nowMs = nowMs
    for (const pod of facts.pods.toSorted(byKey)) this.#add(pod)
  }

  /** Pods of every phase that are bound to the node, in the order of their names. */
  allPodsOn(nodeName: string): V1Pod[] {
    return [...(this.#byNode.get(nodeName)?.values() ?? [])]
  }

  /** Without those that have ended: they take no room. */
  podsOn(nodeName: string): V1Pod[] {
    return this.allPodsOn(nodeName).filter(takesRoom)
  }

  /** What the pods on the node ask for together. */
  requestedOn(nodeName: string): Amounts {
    return this.#requested.get(nodeName) ?? {}
  }

  requestsOf(pod: V1Pod): Amounts {
    return this.#requests.get(podKey(pod)) ?? podRequests(pod)
  }

  /** Pods of any phase and place that name this owner. */
  countOwnedBy(uid: string): number {
    return this.#ownedBy.get(uid) ?? 0
  }

  has(pod: V1Pod): boolean {
    return this.#byNode.get(pod.spec?.nodeName ?? '')?.has(podKey(pod)) ?? false
  }

  remove(pod: V1Pod): void {
    if (!this.#byNode.get(pod.spec?.nodeName ?? '')?.delete(podKey(pod))) return
    this.#count(pod, -1)
  }

  #add(pod: V1Pod): void {
    const nodeName = pod.spec?.nodeName
    this.#requests.set(podKey(pod), podRequests(pod))
    if (nodeName) {
      const onNode = this.#byNode.get(nodeName) ?? new Map<string, V1Pod>()
      this.#byNode.set(nodeName, onNode.set(podKey(pod), pod))
    }
    this.#count(pod, 1)
  }

  #count(pod: V1Pod, sign: 1 | -1): void {
    for (const { uid } of pod.metadata?.ownerReferences ?? []) this.#ownedBy.set(uid, this.countOwnedBy(uid) + sign)
    const nodeName = pod.spec?.nodeName
    if (!nodeName || !takesRoom(pod)) return
    const requested = this.#requested.get(nodeName) ?? {}
    addAmounts(requested, this.requestsOf(pod), sign)
    this.#requested.set(nodeName, requested)
  }
}

/** Nodes that say they are not Ready are left alone; cordoned ones are not. */
export function isReady(node: V1Node): boolean {
  return (node.status?.conditions ?? []).every(({ type, status }) => type !== 'Ready' || status === 'True')
}

export function nodeName(node: V1Node): string {
  return node.metadata?.name ?? ''
}

function byKey(one: V1Pod, other: V1Pod): number {
  return podKey(one) < podKey(other) ? -1 : 1
}
