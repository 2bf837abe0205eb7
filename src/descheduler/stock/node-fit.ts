// Could a pod be scheduled on a node: the part of kube-scheduler's rules that the stock descheduler asks (nodeFit).
import type { V1Node, V1Pod, V1PodAffinityTerm } from '@kubernetes/client-node'
import { matchesSelector } from '../../extender/label-selector.ts'
import { affinityRefusal } from '../../extender/node-affinity.ts'
import { allocatableOf } from '../../extender/requests.ts'
import { nodeName, type StockCluster } from './cluster.ts'
import { keepsAway, untolerated } from './toleration.ts'

export function fitsAnyNode(cluster: StockCluster, pod: V1Pod, nodes: readonly V1Node[]): boolean {
  return nodes.some((node) => fits(cluster, pod, node))
}

export function fitsAnyOtherNode(cluster: StockCluster, pod: V1Pod, nodes: readonly V1Node[]): boolean {
  return nodes.some((node) => nodeName(node) !== pod.spec?.nodeName && fits(cluster, pod, node))
}

function fits(cluster: StockCluster, pod: V1Pod, node: V1Node): boolean {
  return (
    !node.spec?.unschedulable &&
    affinityRefusal(pod, node) === undefined &&
    untolerated(pod.spec?.tolerations, node.spec?.taints, keepsAway) === undefined &&
    !refusesNeighbours(cluster, pod, node) &&
    (pod.spec?.nodeName === nodeName(node) || hasRoom(cluster, pod, node))
  )
}

export function requiredAntiAffinity(pod: V1Pod): readonly V1PodAffinityTerm[] {
  return pod.spec?.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []
}

export function namespacesOf(term: V1PodAffinityTerm, owner: V1Pod): readonly string[] {
  return term.namespaces?.length ? term.namespaces : [owner.metadata?.namespace ?? '']
}

/** namespaceSelector is not looked at by the stock descheduler; a pod of the same name is taken for the pod itself. */
export function meets(term: V1PodAffinityTerm, owner: V1Pod, other: V1Pod): boolean {
  return (
    other.metadata?.name !== owner.metadata?.name &&
    namespacesOf(term, owner).includes(other.metadata?.namespace ?? '') &&
    matchesSelector(term.labelSelector, other.metadata?.labels)
  )
}

function refusesNeighbours(cluster: StockCluster, pod: V1Pod, node: V1Node): boolean {
  return requiredAntiAffinity(pod).some(
    (term) =>
      node.metadata?.labels?.[term.topologyKey] !== undefined && cluster.podsOn(nodeName(node)).some((other) => meets(term, pod, other)),
  )
}

function hasRoom(cluster: StockCluster, pod: V1Pod, node: V1Node): boolean {
  const allocatable = allocatableOf(node)
  const requested = cluster.requestedOn(nodeName(node))
  const free = (resource: string) => (allocatable[resource] ?? 0) - (requested[resource] ?? 0)
  const wanted = Object.entries(cluster.requestsOf(pod)).filter(([resource]) => resource !== 'pods')
  return free('pods') > 0 && wanted.every(([resource, amount]) => amount <= free(resource))
}
