// How much nodes and pods use: by requests, by metrics.k8s.io, or by what a Prometheus query says of nodes.
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import type { MetricsUtilization } from '../../api/descheduler-arguments.ts'
import { parseAmount } from '../../extender/quantity.ts'
import { type Amounts, addAmounts, podKey } from '../../extender/requests.ts'
import { anyQuery, nodeName, type StockCluster } from '../stock/cluster.ts'
import { basicResources, metricResource } from './percent.ts'

export interface Usage {
  ofNode(node: V1Node): Record<string, number>
  /** `unknown`: this pod is not chosen; `uncounted`: the source says nothing of pods at all. */
  ofPod(pod: V1Pod): Amounts | 'unknown' | 'uncounted'
}

/** Text says why there is none. */
export function usageOf(
  source: MetricsUtilization | undefined,
  resources: readonly string[],
  cluster: StockCluster,
  nodes: readonly V1Node[],
): Usage | string {
  if (source?.source === 'Prometheus') return measuredByPrometheus(source.prometheus?.query ?? '', cluster, nodes)
  if (source?.source === 'KubernetesMetrics' || source?.metricsServer) return measured(cluster, nodes, resources)
  if (source) return 'metricsUtilization names no source'
  return requested(cluster, resources)
}

/** Whether a policy's strategy works with what Prometheus says: then no other resource counts. */
export function isByPrometheus(source: MetricsUtilization | undefined): boolean {
  return source?.source === 'Prometheus'
}

function requested(cluster: StockCluster, resources: readonly string[]): Usage {
  const only = (amounts: Amounts) => Object.fromEntries(resources.map((resource) => [resource, amounts[resource] ?? 0]))
  return {
    ofNode: (node) => only(cluster.requestedOn(nodeName(node))),
    ofPod: (pod) => only(cluster.requestsOf(pod)),
  }
}

function measured(cluster: StockCluster, nodes: readonly V1Node[], resources: readonly string[]): Usage | string {
  const ofNodes = new Map(cluster.facts.nodeMetrics.map(({ metadata, usage }) => [metadata?.name ?? '', amountsOf(usage)]))
  const missing = nodes.find((node) => !ofNodes.has(nodeName(node)))
  if (missing) return `metrics.k8s.io says nothing of node ${nodeName(missing)}`
  const other = resources.find((resource) => !basicResources.includes(resource))
  if (other !== undefined) return `metrics.k8s.io says nothing of resource ${other}`
  const ofPods = new Map(cluster.facts.podMetrics.map((one) => [`${one.metadata?.namespace}/${one.metadata?.name}`, one.containers ?? []]))
  return {
    ofNode: (node) => ({ ...ofNodes.get(nodeName(node)), pods: cluster.podsOn(nodeName(node)).length }),
    ofPod: (pod) => {
      const containers = ofPods.get(podKey(pod))
      if (!containers?.every(({ usage }) => usage.cpu !== undefined && usage.memory !== undefined)) return 'unknown'
      const total: Record<string, number> = {}
      for (const { usage } of containers) addAmounts(total, amountsOf(usage))
      return total
    },
  }
}

function measuredByPrometheus(query: string, cluster: StockCluster, nodes: readonly V1Node[]): Usage | string {
  const prometheus = cluster.facts.prometheus?.get(query) ?? cluster.facts.prometheus?.get(anyQuery)
  if (!prometheus) return 'Prometheus did not answer'
  const missing = nodes.find((node) => !prometheus.has(nodeName(node)))
  if (missing) return `the answer of Prometheus says nothing of node ${nodeName(missing)}`
  return {
    ofNode: (node) => ({ [metricResource]: Math.trunc((prometheus.get(nodeName(node)) ?? 0) * 100) }),
    ofPod: () => 'uncounted',
  }
}

function amountsOf(usage: Record<string, string> | undefined): Record<string, number> {
  const amounts: Record<string, number> = {}
  for (const resource of ['cpu', 'memory']) amounts[resource] = parseAmount(resource, usage?.[resource])
  return amounts
}
