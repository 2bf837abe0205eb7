// Real usage in the amounts that requests are counted in.
import { parseAmount } from '../extender/quantity.ts'
import { addAmounts } from '../extender/requests.ts'
import type { NodeMetrics, PodMetrics } from './stock/metrics.ts'
import type { Measured } from './utilisation.ts'

export function measuredOf(nodes: readonly NodeMetrics[], pods: readonly PodMetrics[]): Measured {
  return {
    nodes: new Map(nodes.map(({ metadata, usage }) => [metadata?.name ?? '', amountsOf(usage)])),
    pods: new Map(pods.map((one) => [`${one.metadata?.namespace}/${one.metadata?.name}`, sumOf(one)])),
  }
}

function sumOf({ containers }: PodMetrics): Record<string, number> {
  const total: Record<string, number> = {}
  for (const { usage } of containers ?? []) addAmounts(total, amountsOf(usage))
  return total
}

function amountsOf(usage: Readonly<Record<string, string>> | undefined): Record<string, number> {
  return Object.fromEntries(Object.entries(usage ?? {}).map(([resource, text]) => [resource, parseAmount(resource, text)]))
}
