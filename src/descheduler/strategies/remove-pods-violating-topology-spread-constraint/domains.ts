// The topology domains of one spread constraint, smallest first, with their pods in the order in which they stay.
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import { matchesSelector } from '../../../extender/label-selector.ts'
import { affinityRefusal } from '../../../extender/node-affinity.ts'
import { nodeName } from '../../stock/cluster.ts'
import { comparePriority } from '../../stock/pod-order.ts'
import { keepsAway, untolerated } from '../../stock/toleration.ts'
import type { Constraint } from './constraints.ts'

export interface Domain {
  value: string
  /** The last ones go first. */
  pods: V1Pod[]
}

export function domainsOf(
  constraint: Constraint,
  pods: readonly V1Pod[],
  nodes: readonly V1Node[],
  isEvictable: (pod: V1Pod) => boolean,
): Domain[] {
  const domains = new Map<string, V1Pod[]>()
  for (const node of nodes) {
    const value = node.metadata?.labels?.[constraint.topologyKey]
    // A domain without a pod counts, where the pods could run in it.
    if (value !== undefined && isEligible(constraint, node)) domains.set(value, [])
  }
  const nodesByName = new Map(nodes.map((node) => [nodeName(node), node]))
  for (const pod of pods) {
    if (pod.metadata?.deletionTimestamp || !matchesSelector(constraint.selector, pod.metadata?.labels)) continue
    const value = nodesByName.get(pod.spec?.nodeName ?? '')?.metadata?.labels?.[constraint.topologyKey]
    if (value === undefined) continue
    const inDomain = domains.get(value) ?? []
    domains.set(value, inDomain)
    inDomain.push(pod)
  }
  return [...domains]
    .map(([value, inDomain]) => ({ value, pods: inStayingOrder(inDomain, isEvictable) }))
    .sort((one, other) => one.pods.length - other.pods.length || (one.value < other.value ? -1 : 1))
}

/** Does the node count for the constraint (nodeAffinityPolicy, nodeTaintsPolicy)? */
export function isEligible({ owner, honorsAffinity, honorsTaints }: Constraint, node: V1Node): boolean {
  return (
    (!honorsAffinity || affinityRefusal(owner, node) === undefined) &&
    (!honorsTaints || untolerated(owner.spec?.tolerations, node.spec?.taints, keepsAway) === undefined)
  )
}

/** Protected ones stay longest, then those that are bound to nodes, then by rising priority, as in the stock descheduler. */
function inStayingOrder(pods: readonly V1Pod[], isEvictable: (pod: V1Pod) => boolean): V1Pod[] {
  const evictable = new Set(pods.filter(isEvictable))
  return pods.toSorted(
    (one, other) =>
      Number(evictable.has(one)) - Number(evictable.has(other)) ||
      Number(isBoundToNodes(other)) - Number(isBoundToNodes(one)) ||
      comparePriority(one, other),
  )
}

function isBoundToNodes(pod: V1Pod): boolean {
  return Boolean(pod.spec?.nodeSelector) || Boolean(pod.spec?.affinity?.nodeAffinity)
}
