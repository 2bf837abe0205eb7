// Plans moves of pods that a strategy chooses one by one: what has a place is taken, the cheapest to copy first. Pure.
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import type { DefaultEvictorArguments } from '../../api/descheduler-arguments.ts'
import type { Placement } from '../placement.ts'
import { type ClusterFacts, isReady, nodeName, StockCluster } from '../stock/cluster.ts'
import { priorityThresholdOf } from '../stock/default-evictor/priority-threshold.ts'
import { type EvictorRules, evictorRules } from '../stock/default-evictor/rules.ts'
import { schema as evictorSchema } from '../stock/default-evictor/schema.ts'
import type { Choice, Evictor, Outcome } from '../stock/evictor.ts'
import type { Nothing, Strategy } from '../strategies/strategy.ts'
import { movedBytesOf, type Plan, type PlannedMove } from './plan.ts'

export interface ChosenInput {
  strategy: Strategy
  args: unknown
  facts: ClusterFacts
  placement: Placement
  candidates: readonly V1Pod[]
  /** What the policy protects besides what cannot be moved. */
  protections: DefaultEvictorArguments | undefined
  nowMs: number
}

interface Chosen {
  pod: V1Pod
  choice: Choice
  movedBytes: number
}

export function planChosen(input: ChosenInput): (Plan & { reason: string }) | Nothing {
  const cluster = new StockCluster(input.facts, input.nowMs)
  const rules = rulesFor(input, cluster)
  if (typeof rules === 'string') return { nothing: rules }
  const nodes = input.facts.nodes.filter(isReady).sort((one, other) => (nodeName(one) < nodeName(other) ? -1 : 1))
  const evictor = new PlanningEvictor(input, cluster, rules)
  const problem = input.strategy.find(input.args, { cluster, nodes, evictor })
  if (problem !== undefined) return { nothing: problem }
  if (evictor.chosen.length === 0) return { nothing: 'no pod is to move' }
  const plan = place(evictor.chosen, input, nodes)
  return { reason: `${evictor.chosen.length} pods chosen`, ...plan }
}

/** Pods that are moved live lose nothing of what protections guard; pods that are evicted may. */
function rulesFor({ protections, facts }: ChosenInput, cluster: StockCluster) {
  const rulesOf = (wish: DefaultEvictorArguments) => {
    const threshold = priorityThresholdOf(wish, facts.priorityClasses)
    return typeof threshold === 'string' ? threshold : evictorRules(wish, threshold, cluster)
  }
  const own = protections && evictorSchema.safeParse(protections)
  if (own && !own.success) return `evictor: ${own.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')}`
  const evicted = rulesOf(own?.data ?? evictorSchema.parse({}))
  if (typeof evicted === 'string') return `evictor.priorityThreshold.name: ${evicted}`
  return { moved: own ? evicted : undefined, evicted }
}

class PlanningEvictor implements Evictor {
  readonly chosen: Chosen[] = []
  readonly #input: ChosenInput
  readonly #cluster: StockCluster
  readonly #rules: { moved: EvictorRules | undefined; evicted: EvictorRules }
  readonly #candidates: ReadonlySet<V1Pod>

  constructor(input: ChosenInput, cluster: StockCluster, rules: { moved: EvictorRules | undefined; evicted: EvictorRules }) {
    this.#input = input
    this.#cluster = cluster
    this.#rules = rules
    this.#candidates = new Set(input.candidates)
  }

  isEvictable(pod: V1Pod): boolean {
    return this.#candidates.has(pod) && (this.#rulesOf(pod)?.protecting(pod).length ?? 0) === 0
  }

  mayLeave(pod: V1Pod): boolean {
    return this.#rulesOf(pod)?.keeping(pod) === undefined
  }

  choose(pod: V1Pod, choice: Choice): Outcome {
    if (!this.#cluster.has(pod)) return 'gone'
    this.#cluster.remove(pod)
    this.chosen.push({ pod, choice, movedBytes: movedBytesOf(pod) })
    return 'chosen'
  }

  #rulesOf(pod: V1Pod): EvictorRules | undefined {
    return this.#input.placement.isEvicted(pod) ? this.#rules.evicted : this.#rules.moved
  }
}

/** Each counts the same, so the gain per copied byte is the highest where the least is copied. */
function place(chosen: readonly Chosen[], { placement, strategy }: ChosenInput, nodes: readonly V1Node[]): Plan {
  const plan: Plan = { moves: [], left: {} }
  const everywhere = nodes.map(nodeName)
  for (const { pod, choice, movedBytes } of chosen.toSorted((one, other) => one.movedBytes - other.movedBytes)) {
    const found = placement.find(pod, choice.destinations ?? everywhere)
    if ('left' in found) {
      plan.left[found.left] = (plan.left[found.left] ?? 0) + 1
      continue
    }
    placement.accept(pod, found.toNode)
    plan.moves.push(moveOf(pod, found.toNode, movedBytes, strategy, choice.reason))
  }
  return plan
}

function moveOf(pod: V1Pod, toNode: string, movedBytes: number, strategy: Strategy, reason: string): PlannedMove {
  const { namespace = '', name = '', uid = '' } = pod.metadata ?? {}
  const fromNode = pod.spec?.nodeName ?? ''
  return { namespace, podName: name, podUid: uid, fromNode, toNode, movedBytes, gain: 1, strategy: strategy.name, reason }
}
