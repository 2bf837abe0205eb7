// Reads what only some policies ask for: namespaces, priority classes, budgets of disruptions, claims, metrics. What cannot be read is left out.
import type { LowNodeUtilizationArguments, MetricsProvider } from '../api/descheduler-arguments.ts'
import type { MigrationPolicySpec } from '../api/migration-policy.ts'
import type { KubeClient } from '../kube/client.ts'
import { namespacePath, nodeMetricsPath, pdbPath, persistentVolumeClaimPath, podMetricsPath, priorityClassPath } from '../kube/paths.ts'
import { log } from '../runtime/log.ts'
import type { StockPolicy } from './policy-text/stock-policy.ts'
import { askPrometheus } from './prometheus.ts'
import type { ClusterFacts } from './stock/cluster.ts'

export interface FactsWish {
  protections: boolean
  metrics: boolean
  prometheus: { provider: MetricsProvider['prometheus']; queries: string[] }
}

export function wishOfPolicy({ evictor, onUnmovable, strategies, metricsProviders }: MigrationPolicySpec): FactsWish {
  const sources = strategies.map(({ lowNodeUtilization }) => lowNodeUtilization?.metricsUtilization)
  return { protections: evictor !== undefined || onUnmovable === 'Evict', ...metricsWish(sources, metricsProviders ?? []) }
}

export function wishOfStockPolicy({ profiles, metricsProviders }: StockPolicy): FactsWish {
  const steps = profiles.flatMap(({ balance }) => balance).filter(({ strategy }) => strategy === 'LowNodeUtilization')
  const sources = steps.map(({ wish }) => (wish as LowNodeUtilizationArguments | undefined)?.metricsUtilization)
  return { protections: true, ...metricsWish(sources, metricsProviders) }
}

type Sources = readonly LowNodeUtilizationArguments['metricsUtilization'][]

function metricsWish(sources: Sources, providers: readonly MetricsProvider[]): Omit<FactsWish, 'protections'> {
  const queries = sources.flatMap((one) => (one?.source === 'Prometheus' && one.prometheus?.query ? [one.prometheus.query] : []))
  return {
    metrics: sources.some((one) => one?.source === 'KubernetesMetrics' || one?.metricsServer),
    prometheus: { provider: providers.find(({ source }) => source === 'Prometheus')?.prometheus, queries: [...new Set(queries)] },
  }
}

export async function gatherFacts(client: KubeClient, wish: FactsWish): Promise<Partial<ClusterFacts>> {
  const [protections, metrics, prometheus] = await Promise.all([
    wish.protections ? readProtections(client) : {},
    wish.metrics ? readMetrics(client) : {},
    readPrometheus(client, wish.prometheus),
  ])
  return { ...protections, ...metrics, ...prometheus }
}

async function readProtections(client: KubeClient): Promise<Partial<ClusterFacts>> {
  const [namespaces, priorityClasses, pdbs, persistentVolumeClaims] = await Promise.all([
    list<ClusterFacts['namespaces'][number]>(client, namespacePath()),
    list<ClusterFacts['priorityClasses'][number]>(client, priorityClassPath()),
    list<ClusterFacts['pdbs'][number]>(client, pdbPath()),
    list<ClusterFacts['persistentVolumeClaims'][number]>(client, persistentVolumeClaimPath()),
  ])
  return { namespaces, priorityClasses, pdbs, persistentVolumeClaims }
}

async function readMetrics(client: KubeClient): Promise<Partial<ClusterFacts>> {
  const [nodeMetrics, podMetrics] = await Promise.all([
    list<ClusterFacts['nodeMetrics'][number]>(client, nodeMetricsPath()),
    list<ClusterFacts['podMetrics'][number]>(client, podMetricsPath()),
  ])
  return { nodeMetrics, podMetrics }
}

/** A strategy that misses something says so itself; the others go on. */
async function list<T>(client: KubeClient, path: string): Promise<T[]> {
  try {
    return (await client.list<T>(path)).items
  } catch (error) {
    log.warn({ err: error, path }, 'not read, policies go on without it')
    return []
  }
}

async function readPrometheus(client: KubeClient, { provider, queries }: FactsWish['prometheus']): Promise<Partial<ClusterFacts>> {
  if (!provider?.url || queries.length === 0) return {}
  const answers = new Map<string, ReadonlyMap<string, number>>()
  for (const query of queries) {
    try {
      answers.set(query, await askPrometheus(client, provider, query))
    } catch (error) {
      log.warn({ err: error, query }, 'Prometheus did not answer, its strategies do not run')
    }
  }
  return { prometheus: answers }
}
