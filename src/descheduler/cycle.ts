// One run of one policy: may it run now, who may move, what do its strategies find, which moves come of it. Pure.
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import type { MigrationPolicy, PolicyStrategy } from '../api/migration-policy.ts'
import type { NodeMigrationCapacity } from '../api/node-migration-capacity.ts'
import { type ClusterIndex, indexOf } from '../extender/cluster-index.ts'
import { podKey, podRequests } from '../extender/requests.ts'
import { type PlannedMove, planBalance } from './balance/plan.ts'
import { planChosen } from './balance/plan-chosen.ts'
import { blackoutAt } from './blackout.ts'
import { BudgetLedger } from './budgets.ts'
import { type CandidateQuestion, type Candidates, candidatesOf } from './candidates.ts'
import { MoveHistory } from './history.ts'
import { measuredOf } from './measured.ts'
import { Placement } from './placement.ts'
import { type PolicyProtection, protectionOf } from './protection.ts'
import { type ClusterFacts, noFacts, StockCluster } from './stock/cluster.ts'
import { argumentsOf } from './strategies/arguments-of.ts'
import { strategies } from './strategies/index.ts'
import type { Finding, Nothing, Strategy } from './strategies/strategy.ts'
import { excessOf, loadsOf, type Measured, type NodeLoad } from './utilisation.ts'

export interface CycleInput extends CandidateQuestion {
  nodes: readonly V1Node[]
  capacities: readonly NodeMigrationCapacity[]
  /** What only some strategies and protections ask for. */
  facts?: Partial<ClusterFacts>
}

export interface Cycle {
  moves: PlannedMove[]
  /** One sentence for the status of the policy. */
  result: string
}

export function planCycle(input: CycleInput): Cycle {
  const { policy, nowMs } = input
  if (policy.spec.suspend) return { moves: [], result: 'suspended' }
  const blackout = blackoutAt(policy.spec.blackoutWindows, nowMs)
  if (blackout) return { moves: [], result: `not run: ${blackout}` }
  const candidates = candidatesOf(input)
  if (candidates.movable.length + candidates.evictable.length === 0)
    return { moves: [], result: 'no pod is for this policy to move (RuntimeClass, selectors, cooldown, other policies)' }
  return runStrategies(policy, input, candidates)
}

/** What one strategy after the other works on. */
interface Run {
  policy: MigrationPolicy
  input: CycleInput
  index: ClusterIndex
  history: MoveHistory
  placement: Placement
  moves: PlannedMove[]
  waiting: V1Pod[]
  /** Some pods are protected: the policy says so, or has pods evicted. */
  isProtecting: boolean
}

function runStrategies(policy: MigrationPolicy, input: CycleInput, { movable, evictable }: Candidates): Cycle {
  const index = indexOf(input)
  const history = new MoveHistory(input.migrations, input.nowMs)
  const placement = new Placement({
    index,
    ledger: new BudgetLedger(policy.spec.budgets, policy.metadata.name, input.migrations, input.nowMs),
    history,
    spec: policy.spec,
    nowMs: input.nowMs,
    evicted: new Set(evictable.map(({ metadata }) => metadata?.uid ?? '')),
  })
  const isProtecting = policy.spec.evictor !== undefined || evictable.length > 0
  const run: Run = { policy, input, index, history, placement, moves: [], waiting: [...movable, ...evictable], isProtecting }
  const results = policy.spec.strategies.map((wish) => `${wish.name}: ${runStrategy(wish, run)}`)
  return { moves: run.moves, result: results.join('. ') }
}

function runStrategy(wish: PolicyStrategy, run: Run): string {
  const given = argumentsOf(wish)
  if ('problems' in given) return `the arguments are wrong: ${given.problems.join('; ')}`
  const strategy = strategies[wish.name]
  // Prometheus says nothing of single pods, so there is no gain to order them by.
  const isLevelled = strategy.level && wish.lowNodeUtilization?.metricsUtilization?.source !== 'Prometheus'
  // Levelling without protections is the common case, and asks nothing of the rest of the cluster.
  const rules = isLevelled && !run.isProtecting ? undefined : rulesOf(run)
  if (typeof rules === 'string') return rules
  const outcome =
    isLevelled || !rules
      ? levelNodes(strategy, given.data, wish, run, rules)
      : planChosen({ strategy, args: given.data, placement: run.placement, candidates: run.waiting, ...rules })
  if ('nothing' in outcome) return outcome.nothing
  run.moves.push(...outcome.moves)
  run.waiting = run.waiting.filter((pod) => !outcome.moves.some((move) => move.podUid === pod.metadata?.uid))
  return `${outcome.reason}: ${outcome.moves.length} moves${written(outcome.left)}`
}

interface Outcome {
  reason: string
  moves: PlannedMove[]
  left: Readonly<Record<string, number>>
}

function levelNodes(strategy: Strategy, args: unknown, wish: PolicyStrategy, run: Run, rules: Rules | undefined): Outcome | Nothing {
  const measured = measuredFor(wish, run.input)
  if (typeof measured === 'string') return { nothing: measured }
  const leaving = run.moves.map((move) => `${move.namespace}/${move.podName}`)
  const loads = loadsOf(run.index, run.input.migrations, leaving, measured)
  const finding = strategy.level?.(args, loads) ?? { nothing: 'it does not level nodes' }
  if ('nothing' in finding) return finding
  const settled = withoutUnsettled(finding, loads, run)
  if (settled.sources.length === 0) return { nothing: `${finding.reason}, all within hysteresis or cooldown` }
  const usageOf = (pod: V1Pod) => ({ ...podRequests(pod), ...measured?.pods.get(podKey(pod)) })
  const candidates = run.waiting.filter(
    (pod) =>
      !finding.excludedNamespaces?.includes(pod.metadata?.namespace ?? '') &&
      (!rules || (rules.protection.isEvictable(pod) && rules.protection.mayLeave(pod))),
  )
  const plan = planBalance({ placement: run.placement, strategy: strategy.name, loads, finding: settled, candidates, usageOf })
  return { reason: finding.reason, ...plan }
}

/** Undefined: by requests. Text says why it cannot be measured. */
function measuredFor({ lowNodeUtilization }: PolicyStrategy, { facts }: CycleInput): Measured | string | undefined {
  const { source, metricsServer } = lowNodeUtilization?.metricsUtilization ?? {}
  if (source !== 'KubernetesMetrics' && !metricsServer) return undefined
  if (!facts?.nodeMetrics?.length) return 'metrics.k8s.io says nothing of the nodes'
  return measuredOf(facts.nodeMetrics, facts.podMetrics ?? [])
}

/** Nodes that are only a little over their target, or took pods a moment ago, wait. */
function withoutUnsettled(finding: Finding, loads: readonly NodeLoad[], { policy, history }: Run): Finding {
  const { hysteresisPercentPoints, nodeCooldownSeconds } = policy.spec
  const excesses = new Map(loads.map((load) => [load.nodeName, excessOf(load, finding.ceiling)]))
  const sources = finding.sources.filter(
    (name) =>
      (finding.emptied || (excesses.get(name) ?? 0) > hysteresisPercentPoints) && !history.hasReceived(name, nodeCooldownSeconds * 1000),
  )
  return { ...finding, sources }
}

interface Rules {
  cluster: StockCluster
  protection: PolicyProtection
}

/** On the cluster without what earlier strategies of this run move. */
function rulesOf({ policy, input, placement, moves }: Run): Rules | string {
  const facts: ClusterFacts = {
    ...noFacts,
    ...input.facts,
    nodes: input.nodes,
    pods: input.pods.filter((pod) => !moves.some((move) => move.podUid === pod.metadata?.uid)),
  }
  const cluster = new StockCluster(facts, input.nowMs)
  const protection = protectionOf(policy.spec.evictor, cluster, (pod) => placement.isEvicted(pod))
  return typeof protection === 'string' ? protection : { cluster, protection }
}

function written(left: Readonly<Record<string, number>>): string {
  const parts = Object.entries(left).map(([why, count]) => `${count} left: ${why}`)
  return parts.length > 0 ? ` (${parts.join(', ')})` : ''
}
