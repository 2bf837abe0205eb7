// Runs a policy of either kind on a snapshot. Pure.
import type { V1Node } from '@kubernetes/client-node'
import type { NodeMigrationCapacity } from '../api/node-migration-capacity.ts'
import { type PlacedVictim, placeVictims } from '../descheduler/destinations.ts'
import type { PolicyDocument } from '../descheduler/policy-text/document.ts'
import { describeProblems } from '../descheduler/policy-text/problems.ts'
import type { AnyPolicy } from '../descheduler/policy-text/read-policy.ts'
import type { StockPolicy } from '../descheduler/policy-text/stock-policy.ts'
import { runStockPolicy } from '../descheduler/stock/run.ts'
import type { Snapshot } from './snapshot.ts'

export interface DescheduledPod {
  namespace: string
  name: string
  uid: string
  node: string
  profile: string
  strategy: string
  reason: string
  destination: string | null
  /** Why there is no destination. */
  noDestination?: string
}

export interface Descheduling {
  victims: DescheduledPod[]
  notes: string[]
}

interface Read {
  policy: AnyPolicy
  document: PolicyDocument
}

export function descheduleSnapshot(
  { policy, document }: Read,
  snapshot: Snapshot,
  { file, nowMs }: { file: string; nowMs: number },
): Descheduling | { problems: string[] } {
  if ('ours' in policy) return { problems: ['not yet'] }
  const outcome = runStock(policy.stock, snapshot, nowMs)
  return 'problems' in outcome ? { problems: describeProblems(outcome.problems, file, document) } : outcome
}

function runStock(policy: StockPolicy, snapshot: Snapshot, nowMs: number) {
  const outcome = runStockPolicy(policy, snapshot, nowMs)
  if ('problems' in outcome) return outcome
  const capacities = capacitiesFor(snapshot)
  const placed = placeVictims(outcome.victims, { ...snapshot, capacities, nowMs })
  return { victims: placed.map(descheduledPod), notes: outcome.notes }
}

/** Before podmotion is installed nobody reports what nodes can do: all of them are taken to be able. */
function capacitiesFor({ nodes, capacities }: Snapshot): NodeMigrationCapacity[] {
  const reported = new Set(capacities.map(({ spec }) => spec.nodeName))
  const rest = nodes.map(nameOf).filter((name) => !reported.has(name))
  return [
    ...capacities,
    ...rest.map((nodeName) => ({ metadata: { name: nodeName }, spec: { nodeName }, status: { eligible: true, reasons: [] } })),
  ]
}

function nameOf(node: V1Node): string {
  return node.metadata?.name ?? ''
}

function descheduledPod(victim: PlacedVictim): DescheduledPod {
  const { metadata, spec } = victim.pod
  return {
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
    node: spec?.nodeName ?? '',
    profile: victim.profile,
    strategy: victim.strategy,
    reason: victim.reason,
    destination: victim.destination ?? null,
    ...(victim.noDestination === undefined ? {} : { noDestination: victim.noDestination }),
  }
}
