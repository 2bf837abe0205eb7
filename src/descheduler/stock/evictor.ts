// What a strategy may ask and do: may this pod go, would it find another place, and "choose it". Keeps the limits of the policy.
import type { V1Pod } from '@kubernetes/client-node'
import type { StockCluster } from './cluster.ts'

export interface EvictionLimits {
  maxNoOfPodsToEvictPerNode?: number | undefined
  maxNoOfPodsToEvictPerNamespace?: number | undefined
  maxNoOfPodsToEvictTotal?: number | undefined
}

export interface Choice {
  /** Why this pod, for people. */
  reason: string
  /** Names of the nodes that the strategy wants it on; undefined: any. */
  destinations?: readonly string[] | undefined
}

export interface Victim extends Choice {
  pod: V1Pod
  strategy: string
  profile: string
}

/** `gone`: another strategy, or this one for another reason, has chosen it already. */
export type Outcome = 'chosen' | 'nodeLimit' | 'namespaceLimit' | 'totalLimit' | 'gone'

export interface Evictor {
  /** Protected pods are not evictable: DefaultEvictor's filter. */
  isEvictable(pod: V1Pod): boolean
  /** DefaultEvictor's pre-eviction filter: is there another place (nodeFit), is its namespace one that counts. */
  mayLeave(pod: V1Pod): boolean
  choose(pod: V1Pod, choice: Choice): Outcome
}

/** Counts over all profiles and strategies of a run. */
export class Chosen {
  readonly victims: Victim[] = []
  readonly #limits: EvictionLimits
  readonly #cluster: StockCluster
  readonly #perNode = new Map<string, number>()
  readonly #perNamespace = new Map<string, number>()

  constructor(cluster: StockCluster, limits: EvictionLimits) {
    this.#cluster = cluster
    this.#limits = limits
  }

  /** Limits are looked at in this order, as the stock evictor does. */
  choose(victim: Victim): Outcome {
    const node = victim.pod.spec?.nodeName ?? ''
    const namespace = victim.pod.metadata?.namespace ?? ''
    if (isReached(this.#limits.maxNoOfPodsToEvictTotal, this.victims.length)) return 'totalLimit'
    if (isReached(this.#limits.maxNoOfPodsToEvictPerNode, this.#perNode.get(node))) return 'nodeLimit'
    if (isReached(this.#limits.maxNoOfPodsToEvictPerNamespace, this.#perNamespace.get(namespace))) return 'namespaceLimit'
    if (!this.#cluster.has(victim.pod)) return 'gone'
    this.victims.push(victim)
    this.#perNode.set(node, (this.#perNode.get(node) ?? 0) + 1)
    this.#perNamespace.set(namespace, (this.#perNamespace.get(namespace) ?? 0) + 1)
    this.#cluster.remove(victim.pod)
    return 'chosen'
  }
}

function isReached(limit: number | undefined, count = 0): boolean {
  return limit !== undefined && count + 1 > limit
}

/** Chooses all of them in this order; true: the limit of the whole run is reached, so the strategy ends. */
export function chooseAll(evictor: Evictor, pods: readonly V1Pod[], choiceOf: (pod: V1Pod) => Choice): boolean {
  for (const pod of pods) {
    const outcome = evictor.choose(pod, choiceOf(pod))
    if (outcome === 'totalLimit') return true
    if (outcome === 'nodeLimit') return false
  }
  return false
}
