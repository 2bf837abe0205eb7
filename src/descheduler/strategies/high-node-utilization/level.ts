// For our planner: which nodes are nearly empty, and which ones are used and can take what is left on them.
import type { HighNodeUtilizationArguments } from '../../../api/descheduler-arguments.ts'
import { describePercents, isOverAny } from '../../node-utilization/percent.ts'
import { limitsOf, type NodeLoad, percentOf, percentsOfLoad } from '../../utilisation.ts'
import type { Finding, Nothing } from '../strategy.ts'

export function level(wish: HighNodeUtilizationArguments, loads: readonly NodeLoad[]): Finding | Nothing {
  const { thresholds, numberOfNodes } = wish
  const written = describePercents(thresholds, Object.keys(thresholds))
  const empty = loads.filter((load) => !isOverAny(percentsOfLoad(load), thresholds))
  const others = loads.filter((load) => !empty.includes(load))
  if (empty.length === 0) return { nothing: `no node is under ${written}` }
  if (empty.length <= numberOfNodes)
    return { nothing: `${empty.length} nodes are under ${written}, the policy acts above numberOfNodes (${numberOfNodes})` }
  if (others.length === 0) return { nothing: `all nodes are under ${written}, so none is left to take pods` }
  const fullness = (load: NodeLoad) => Math.max(...limitsOf(thresholds).map(([resource]) => percentOf(load, resource)))
  return {
    sources: empty.sort((one, other) => fullness(one) - fullness(other)).map((load) => load.nodeName),
    destinations: others.map((load) => load.nodeName).sort(),
    ceiling: Object.fromEntries(Object.keys(thresholds).map((resource) => [resource, 100])),
    emptied: true,
    excludedNamespaces: wish.evictableNamespaces?.exclude,
    reason: `${empty.length} nodes under ${written} can be spared`,
  }
}
