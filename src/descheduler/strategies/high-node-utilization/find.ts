// Chooses the pods of nodes that are nearly empty while the other nodes have room, so that the empty ones can go.

import type { V1Pod } from '@kubernetes/client-node'
import type { HighNodeUtilizationArguments, ResourceThresholds } from '../../../api/descheduler-arguments.ts'
import { basicResources, capacityOf, cappedTo, describePercents, isOverAny, percentsOf } from '../../node-utilization/percent.ts'
import { type MeasuredNode, relieve, totalOf } from '../../node-utilization/relieve.ts'
import { usageOf } from '../../node-utilization/usage.ts'
import { nodeName } from '../../stock/cluster.ts'
import type { Scene } from '../strategy.ts'

export function find(wish: HighNodeUtilizationArguments, scene: Scene): string | undefined {
  const { cluster, nodes, evictor } = scene
  const named = Object.keys(wish.thresholds)
  const resources = [...new Set([...named, ...basicResources])]
  const usage = usageOf(undefined, resources, cluster, nodes)
  if (typeof usage === 'string') return usage
  const full: ResourceThresholds = Object.fromEntries(named.map((resource) => [resource, 100]))
  const low: MeasuredNode[] = []
  const others: MeasuredNode[] = []
  for (const node of nodes) {
    const used = usage.ofNode(node)
    const measured = { node, used, ceiling: cappedTo(full, capacityOf(node), resources), pods: cluster.podsOn(nodeName(node)) }
    if (!isOverAny(percentsOf(used, capacityOf(node)), wish.thresholds)) low.push(measured)
    else if (!node.spec?.unschedulable) others.push(measured)
  }
  if (low.length === 0 || low.length <= wish.numberOfNodes || low.length === nodes.length || others.length === 0) return undefined
  const onlyThresholding = wish.evictionModes?.includes('OnlyThresholdingResources') ?? false
  relieve({
    sources: low.sort((one, other) => totalOf(one) - totalOf(other)),
    destinations: others,
    resources,
    usage,
    evictor,
    evictableNamespaces: wish.evictableNamespaces,
    isRemovable: (pod) => evictor.isEvictable(pod) && (!onlyThresholding || requestsAny(pod, named)),
    isUnfinished: () => true,
    reasonOf: ({ node, used }) =>
      `its node ${nodeName(node)} is nearly empty (${describePercents(percentsOf(used, capacityOf(node)), named)}) and can be spared`,
  })
  return undefined
}

function requestsAny(pod: V1Pod, resources: readonly string[]): boolean {
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])]
  return containers.some(({ resources: own }) => resources.some((resource) => own?.requests?.[resource] !== undefined))
}
