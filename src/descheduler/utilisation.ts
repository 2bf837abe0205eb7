// How full each node is by requests, counted as if the moves that are under way had ended already.
import type { ResourceThresholds } from '../api/descheduler-arguments.ts'
import type { PodMigration } from '../api/pod-migration.ts'
import type { ClusterIndex } from '../extender/cluster-index.ts'
import { type Amounts, addAmounts } from '../extender/requests.ts'
import { isOpen } from '../extender/reservations.ts'

export interface NodeLoad {
  nodeName: string
  allocatable: Amounts
  used: Record<string, number>
}

/** What metrics.k8s.io says, in the amounts of requests; pods and nodes that it does not name count by requests. */
export interface Measured {
  nodes: ReadonlyMap<string, Amounts>
  pods: ReadonlyMap<string, Amounts>
}

/** Cordoned and not Ready nodes are left out: drain empties the first, nobody can move anything off or onto the second. */
export function loadsOf(
  index: ClusterIndex,
  migrations: readonly PodMigration[],
  alsoLeaving: Iterable<string> = [],
  measured?: Measured,
): NodeLoad[] {
  const leaving = new Set([...alsoLeaving, ...migrations.filter(isOpenMove).map(({ spec }) => `${spec.podNamespace}/${spec.podName}`)])
  const loads: NodeLoad[] = []
  for (const facts of index.nodes) {
    if (!facts.node || facts.node.spec?.unschedulable || !isReady(facts.node)) continue
    const used = { ...facts.requested, ...measured?.nodes.get(facts.name) }
    addAmounts(used, index.moves.reserved(facts.name, { podKey: '' }) ?? {})
    for (const [key, counted] of facts.pods) if (leaving.has(key)) addAmounts(used, { ...counted.amounts, ...measured?.pods.get(key) }, -1)
    loads.push({ nodeName: facts.name, allocatable: facts.allocatable, used })
  }
  return loads
}

export function percentOf(load: NodeLoad, resource: string): number {
  const all = load.allocatable[resource] ?? 0
  return all > 0 ? (100 * (load.used[resource] ?? 0)) / all : 0
}

/** Percent points over the target, of the resource that is furthest over: shares, so that bytes do not outweigh cores. */
export function excessOf(load: NodeLoad, target: ResourceThresholds): number {
  return Math.max(0, ...limitsOf(target).map(([resource, percent]) => percentOf(load, resource) - percent))
}

export function limitsOf(thresholds: ResourceThresholds): [string, number][] {
  return Object.entries(thresholds)
}

/** Of every resource that the node has. */
export function percentsOfLoad(load: NodeLoad): Record<string, number> {
  return Object.fromEntries(Object.keys(load.allocatable).map((resource) => [resource, percentOf(load, resource)]))
}

function isOpenMove(migration: PodMigration): boolean {
  return isOpen(migration) && !migration.spec.dryRun
}

function isReady(node: { status?: { conditions?: { type: string; status: string }[] } }): boolean {
  const ready = node.status?.conditions?.find((condition) => condition.type === 'Ready')
  return !ready || ready.status === 'True'
}
