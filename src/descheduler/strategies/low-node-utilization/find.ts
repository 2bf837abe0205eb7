// Chooses pods of nodes that are over a target threshold while nodes under all thresholds have room, as the stock descheduler does.
import type { V1Node } from '@kubernetes/client-node'
import type { LowNodeUtilizationArguments, ResourceThresholds } from '../../../api/descheduler-arguments.ts'
import {
  aroundAverage,
  basicResources,
  capacityOf,
  cappedTo,
  describePercents,
  isOverAny,
  type Percents,
  percentsOf,
} from '../../node-utilization/percent.ts'
import { isOverCeiling, type MeasuredNode, relieve, totalOf } from '../../node-utilization/relieve.ts'
import { isByPrometheus, type Usage, usageOf } from '../../node-utilization/usage.ts'
import { nodeName } from '../../stock/cluster.ts'
import type { Scene } from '../strategy.ts'

export function find(wish: LowNodeUtilizationArguments, scene: Scene): string | undefined {
  const { cluster, nodes, evictor } = scene
  const resources = resourcesOf(wish)
  const usage = usageOf(wish.metricsUtilization, resources, cluster, nodes)
  if (typeof usage === 'string') return usage
  const { low, high } = classify(wish, scene, usage)
  if (low.length === 0 || low.length <= wish.numberOfNodes || low.length === nodes.length || high.length === 0) return undefined
  relieve({
    sources: high.sort((one, other) => totalOf(other) - totalOf(one)),
    destinations: low,
    resources,
    usage,
    evictor,
    evictableNamespaces: wish.evictableNamespaces,
    maxPerNode: wish.evictionLimits?.node,
    isRemovable: (pod) => evictor.isEvictable(pod),
    isUnfinished: isOverCeiling,
    reasonOf: reasonFor(wish),
  })
  return undefined
}

/** cpu, memory and pods count for room everywhere, even where the policy names no threshold for them. */
function resourcesOf(wish: LowNodeUtilizationArguments): string[] {
  const named = Object.keys(wish.thresholds)
  return isByPrometheus(wish.metricsUtilization) ? named : [...new Set([...named, ...basicResources])]
}

function classify(wish: LowNodeUtilizationArguments, { cluster, nodes }: Scene, usage: Usage) {
  const looks = nodes.map((node) => {
    const used = usage.ofNode(node)
    return { node, used, percents: percentsOf(used, capacityOf(node)) }
  })
  const { under, over } = thresholdsFor(
    wish,
    looks.map(({ percents }) => percents),
  )
  const low: MeasuredNode[] = []
  const high: MeasuredNode[] = []
  for (const { node, used, percents } of looks) {
    const ceiling = cappedTo(over, capacityOf(node), resourcesOf(wish))
    const measured = { node, used, ceiling, pods: cluster.podsOn(nodeName(node)) }
    if (isUnder(node, percents, under)) low.push(measured)
    else if (isOverAny(percents, over)) high.push(measured)
  }
  return { low, high }
}

function thresholdsFor(wish: LowNodeUtilizationArguments, nodes: readonly Percents[]) {
  const { thresholds, targetThresholds } = wish
  if (!wish.useDeviationThresholds) return { under: thresholds, over: targetThresholds }
  const named = nodes.map((percents) => Object.fromEntries(Object.entries(percents).filter(([resource]) => resource in thresholds)))
  return { under: aroundAverage(named, thresholds, -1), over: aroundAverage(named, targetThresholds, 1) }
}

/** A cordoned node is no place to go to. */
function isUnder(node: V1Node, percents: Percents, thresholds: ResourceThresholds): boolean {
  return !node.spec?.unschedulable && !isOverAny(percents, thresholds)
}

function reasonFor({ targetThresholds, useDeviationThresholds }: LowNodeUtilizationArguments) {
  const resources = Object.keys(targetThresholds)
  const target = describePercents(targetThresholds, resources)
  return ({ node, used }: MeasuredNode) => {
    const now = describePercents(percentsOf(used, capacityOf(node)), resources)
    return `its node ${nodeName(node)} is over its target: ${now}, target ${target}${useDeviationThresholds ? ' over the average' : ''}`
  }
}
