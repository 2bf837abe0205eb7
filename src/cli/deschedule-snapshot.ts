// Runs a policy of either kind on a snapshot. Pure.
import type { V1Node } from '@kubernetes/client-node'
import type { MigrationPolicy } from '../api/migration-policy.ts'
import { runtimeClassName } from '../api/names.ts'
import type { NodeMigrationCapacity } from '../api/node-migration-capacity.ts'
import type { PlannedMove } from '../descheduler/balance/plan.ts'
import { planCycle } from '../descheduler/cycle.ts'
import { type PlacedVictim, placeVictims } from '../descheduler/destinations.ts'
import type { PolicyDocument } from '../descheduler/policy-text/document.ts'
import { describeProblems } from '../descheduler/policy-text/problems.ts'
import type { AnyPolicy } from '../descheduler/policy-text/read-policy.ts'
import type { StockPolicy } from '../descheduler/policy-text/stock-policy.ts'
import { runStockPolicy } from '../descheduler/stock/run-policy.ts'
import { podRefusals } from '../migrator/validation.ts'
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
  if ('ours' in policy) return runOurs(policy.ours, snapshot, nowMs)
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

/** Every pod is taken to have opted in: nobody has before podmotion is installed. */
function runOurs(policy: MigrationPolicy, snapshot: Snapshot, nowMs: number): Descheduling {
  const pods = snapshot.pods.map((pod) => ({ ...pod, spec: { containers: [], ...pod.spec, runtimeClassName } }))
  const namespaceLabels = new Map(snapshot.namespaces.map(({ metadata }) => [metadata?.name ?? '', metadata?.labels ?? {}]))
  const cycle = planCycle({
    policy,
    policies: [policy, ...snapshot.policies.filter(({ metadata }) => metadata.name !== policy.metadata.name)],
    pods,
    nodes: snapshot.nodes,
    capacities: capacitiesFor(snapshot),
    migrations: snapshot.migrations,
    namespaceLabels,
    refusalsOf: (pod, freezeWindowBudgetMs) => podRefusals(pod, freezeWindowBudgetMs === undefined ? {} : { freezeWindowBudgetMs }),
    facts: snapshot,
    nowMs,
  })
  return { victims: cycle.moves.map((move) => descheduledMove(move, policy.metadata.name)), notes: [cycle.result] }
}

function descheduledMove({ namespace, podName, podUid, fromNode, toNode, strategy, reason }: PlannedMove, profile: string): DescheduledPod {
  return {
    namespace,
    name: podName,
    uid: podUid,
    node: fromNode,
    profile,
    strategy,
    reason,
    destination: toNode || null,
    ...(toNode ? {} : { noDestination: 'it cannot be moved live, the policy has it evicted' }),
  }
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
