// Amounts as percent of what nodes have, and thresholds as amounts, rounded as the stock descheduler rounds.
import type { V1Node } from '@kubernetes/client-node'
import type { ResourceThresholds } from '../../api/descheduler-arguments.ts'
import { type Amounts, allocatableOf } from '../../extender/requests.ts'

/** What a Prometheus query says of a node: already a percent. */
export const metricResource = 'MetricResource'

export const basicResources = ['cpu', 'memory', 'pods']

export type Percents = Readonly<Record<string, number>>

export function capacityOf(node: V1Node): Amounts {
  return { ...allocatableOf(node), [metricResource]: 100 }
}

/** A resource that the node does not have is not compared at all. */
export function percentsOf(used: Amounts, capacity: Amounts): Percents {
  const percents: Record<string, number> = {}
  for (const [resource, amount] of Object.entries(used)) {
    const all = capacity[resource]
    if (all !== undefined) percents[resource] = all > 0 ? (amount / all) * 100 : 0
  }
  return percents
}

/** No threshold: all of it; a node that does not have the resource has room for none of it. */
export function cappedTo(thresholds: ResourceThresholds, capacity: Amounts, resources: readonly string[]): Record<string, number> {
  const capped: Record<string, number> = {}
  for (const resource of resources) {
    const all = capacity[resource] ?? 0
    const percent = thresholds[resource]
    capped[resource] = percent === undefined ? all : Math.trunc(percent * 0.01 * all)
  }
  return capped
}

/** On the threshold is neither over nor (for under) beyond it: the stock descheduler takes such a node for under. */
export function isOverAny(percents: Percents, thresholds: ResourceThresholds): boolean {
  return Object.entries(thresholds).some(([resource, limit]) => limit < (percents[resource] ?? 0))
}

/** Thresholds that are percent points around the average of all nodes. */
export function aroundAverage(nodes: readonly Percents[], spans: ResourceThresholds, sign: 1 | -1): ResourceThresholds {
  const thresholds: Record<string, number> = {}
  for (const [resource, average] of Object.entries(averageOf(nodes)))
    thresholds[resource] = Math.min(100, Math.max(0, average + sign * (spans[resource] ?? 0)))
  return thresholds
}

function averageOf(nodes: readonly Percents[]): Percents {
  const sums: Record<string, number> = {}
  const counts: Record<string, number> = {}
  for (const percents of nodes)
    for (const [resource, percent] of Object.entries(percents)) {
      sums[resource] = (sums[resource] ?? 0) + percent
      counts[resource] = (counts[resource] ?? 0) + 1
    }
  return Object.fromEntries(Object.entries(sums).map(([resource, sum]) => [resource, sum / (counts[resource] ?? 1)]))
}

export function describePercents(percents: Percents, resources: readonly string[]): string {
  return resources
    .filter((resource) => percents[resource] !== undefined)
    .map((resource) => `${resource} ${Math.round((percents[resource] ?? 0) * 10) / 10} %`)
    .join(', ')
}
