// Finds nodes that are over any target threshold and nodes that are under all lower thresholds.
import type { LowNodeUtilizationArguments, ResourceThresholds } from '../../../api/migration-policy.ts'
import { excessOf, limitsOf, type NodeLoad, percentOf } from '../../utilisation.ts'
import type { Finding, Nothing } from '../strategy.ts'

export function find(wish: LowNodeUtilizationArguments, loads: readonly NodeLoad[]): Finding | Nothing {
  const over = loads.filter((load) => excessOf(load, wish.targetThresholds) > 0)
  const under = loads.filter((load) => isUnder(load, wish.thresholds))
  if (over.length === 0) return { nothing: `no node is over its target (${written(wish.targetThresholds)})` }
  if (under.length === 0) return { nothing: `no node is under ${written(wish.thresholds)}, so none can take pods` }
  if (under.length <= wish.numberOfNodes)
    return {
      nothing: `${under.length} nodes are under ${written(wish.thresholds)}, the policy acts above numberOfNodes (${wish.numberOfNodes})`,
    }
  over.sort((one, other) => excessOf(other, wish.targetThresholds) - excessOf(one, wish.targetThresholds) || byName(one, other))
  return {
    sources: over.map((load) => load.nodeName),
    destinations: under.map((load) => load.nodeName).sort(),
    ceiling: wish.targetThresholds,
    reason: `${over.length} nodes over ${written(wish.targetThresholds)}, ${under.length} under ${written(wish.thresholds)}`,
  }
}

function isUnder(load: NodeLoad, thresholds: ResourceThresholds): boolean {
  return limitsOf(thresholds).every(([resource, percent]) => percentOf(load, resource) < percent)
}

function written(thresholds: ResourceThresholds): string {
  return limitsOf(thresholds)
    .map(([resource, percent]) => `${resource} ${percent} %`)
    .join(', ')
}

function byName(one: NodeLoad, other: NodeLoad): number {
  return one.nodeName < other.nodeName ? -1 : 1
}
