// For our planner: which nodes are over any target threshold, and which are under all lower ones, counting moves that are under way.
import type { LowNodeUtilizationArguments, ResourceThresholds } from '../../../api/descheduler-arguments.ts'
import { aroundAverage, describePercents } from '../../node-utilization/percent.ts'
import { excessOf, limitsOf, type NodeLoad, percentOf, percentsOfLoad } from '../../utilisation.ts'
import type { Finding, Nothing } from '../strategy.ts'

export function level(wish: LowNodeUtilizationArguments, loads: readonly NodeLoad[]): Finding | Nothing {
  const { thresholds, targetThresholds } = thresholdsFor(wish, loads)
  const over = loads.filter((load) => excessOf(load, targetThresholds) > 0)
  const under = loads.filter((load) => limitsOf(thresholds).every(([resource, percent]) => percentOf(load, resource) < percent))
  if (over.length === 0) return { nothing: `no node is over its target (${written(targetThresholds)})` }
  if (under.length === 0) return { nothing: `no node is under ${written(thresholds)}, so none can take pods` }
  if (under.length <= wish.numberOfNodes)
    return {
      nothing: `${under.length} nodes are under ${written(thresholds)}, the policy acts above numberOfNodes (${wish.numberOfNodes})`,
    }
  over.sort((one, other) => excessOf(other, targetThresholds) - excessOf(one, targetThresholds) || byName(one, other))
  return {
    sources: over.map((load) => load.nodeName),
    destinations: under.map((load) => load.nodeName).sort(),
    ceiling: targetThresholds,
    maxPerSource: wish.evictionLimits?.node,
    excludedNamespaces: wish.evictableNamespaces?.exclude,
    reason: `${over.length} nodes over ${written(targetThresholds)}, ${under.length} under ${written(thresholds)}`,
  }
}

function thresholdsFor(wish: LowNodeUtilizationArguments, loads: readonly NodeLoad[]) {
  const { thresholds, targetThresholds, useDeviationThresholds } = wish
  if (!useDeviationThresholds) return { thresholds, targetThresholds }
  const named = loads.map((load) => only(percentsOfLoad(load), Object.keys(thresholds)))
  return { thresholds: aroundAverage(named, thresholds, -1), targetThresholds: aroundAverage(named, targetThresholds, 1) }
}

function only(percents: Readonly<Record<string, number>>, resources: readonly string[]): Record<string, number> {
  return Object.fromEntries(Object.entries(percents).filter(([resource]) => resources.includes(resource)))
}

function written(thresholds: ResourceThresholds): string {
  return describePercents(thresholds, Object.keys(thresholds))
}

function byName(one: NodeLoad, other: NodeLoad): number {
  return one.nodeName < other.nodeName ? -1 : 1
}
