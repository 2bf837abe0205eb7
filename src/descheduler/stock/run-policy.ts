// Runs a policy of the stock descheduler on a picture of a cluster: who would be evicted, in this order. Pure.
import type { V1Node } from '@kubernetes/client-node'
import type { Problem } from '../policy-text/problems.ts'
import type { StockPolicy, StockRun, StockStep } from '../policy-text/stock-policy.ts'
import { strategies } from '../strategies/index.ts'
import { type ClusterFacts, isReady, nodeName, StockCluster } from './cluster.ts'
import { priorityThresholdOf } from './default-evictor/priority-threshold.ts'
import { type EvictorRules, evictorRules } from './default-evictor/rules.ts'
import { Chosen, type Evictor, type Victim } from './evictor.ts'
import { matchesQuery, parseLabelQuery } from './label-query.ts'

export interface StockOutcome {
  victims: Victim[]
  /** Why a strategy or all of it did not run; the others did. */
  notes: string[]
}

export function runStockPolicy(policy: StockPolicy, facts: ClusterFacts, nowMs: number): StockOutcome | { problems: Problem[] } {
  const thresholds = policy.profiles.map((profile) => priorityThresholdOf(profile.evictor, facts.priorityClasses))
  const problems = policy.profiles.flatMap((profile, index) => thresholdProblem(profile, thresholds[index]))
  if (problems.length > 0) return { problems }
  const cluster = new StockCluster(facts, nowMs)
  const chosen = new Chosen(cluster, policy)
  const nodes = selectedNodes(policy, facts)
  if (nodes.length < 2)
    return { victims: [], notes: [`not run: it needs at least 2 Ready nodes that nodeSelector selects, got ${nodes.length}`] }
  const notes: string[] = []
  const rules = policy.profiles.map((profile, index) => evictorRules(profile.evictor, Number(thresholds[index]), cluster))
  // All profiles deschedule before any balances.
  for (const point of ['deschedule', 'balance'] as const)
    for (const [index, profile] of policy.profiles.entries())
      for (const step of profile[point]) {
        const evictor = evictorFor(profile, step, rules[index] as EvictorRules, chosen)
        const note = strategies[step.strategy].find(step.wish, { cluster, nodes, evictor })
        if (note !== undefined) notes.push(`${[profile.name, step.strategy].filter(Boolean).join('/')} did not run: ${note}`)
      }
  return { victims: chosen.victims, notes }
}

function thresholdProblem({ evictorPath }: StockRun, threshold: number | string | undefined): Problem[] {
  if (typeof threshold !== 'string') return []
  return [{ path: [...(evictorPath ?? []), 'priorityThreshold', 'name'], message: threshold }]
}

/** A nodeSelector that cannot be read has been refused when the policy was read. */
function selectedNodes({ nodeSelector = '' }: StockPolicy, facts: ClusterFacts): V1Node[] {
  const query = parseLabelQuery(nodeSelector)
  return facts.nodes
    .filter((node) => isReady(node) && !('wrong' in query) && matchesQuery(query, node.metadata?.labels))
    .sort((one, other) => (nodeName(one) < nodeName(other) ? -1 : 1))
}

function evictorFor(profile: StockRun, step: StockStep, rules: EvictorRules, chosen: Chosen): Evictor {
  return {
    isEvictable: (pod) => rules.protecting(pod).length === 0,
    mayLeave: (pod) => rules.keeping(pod) === undefined,
    choose: (pod, choice) => chosen.choose({ ...choice, pod, strategy: step.strategy, profile: profile.name }),
  }
}
