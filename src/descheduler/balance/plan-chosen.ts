// Plans moves of pods that a strategy chooses one by one: what has a place is taken, the cheapest to copy first. Pure.
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import type { Placement } from '../placement.ts'
import type { PolicyProtection } from '../protection.ts'
import { isReady, nodeName, type StockCluster } from '../stock/cluster.ts'
import type { Choice, Evictor, Outcome } from '../stock/evictor.ts'
import type { Nothing, Strategy } from '../strategies/strategy.ts'
import { movedBytesOf, type Plan, type PlannedMove } from './plan.ts'

export interface ChosenInput {
  strategy: Strategy
  args: unknown
  placement: Placement
  candidates: readonly V1Pod[]
  cluster: StockCluster
  protection: PolicyProtection
}

interface Chosen {
  pod: V1Pod
  choice: Choice
  movedBytes: number
}

export function planChosen(input: ChosenInput): (Plan & { reason: string }) | Nothing {
  const { cluster } = input
  const nodes = cluster.facts.nodes.filter(isReady).sort((one, other) => (nodeName(one) < nodeName(other) ? -1 : 1))
  const evictor = new PlanningEvictor(input)
  const problem = input.strategy.find(input.args, { cluster, nodes, evictor })
  if (problem !== undefined) return { nothing: problem }
  if (evictor.chosen.length === 0) return { nothing: 'no pod is to move' }
  const plan = place(evictor.chosen, input, nodes)
  return { reason: `${evictor.chosen.length} pods chosen`, ...plan }
}

class PlanningEvictor implements Evictor {
  readonly chosen: Chosen[] = []
  readonly #input: ChosenInput
  readonly #candidates: ReadonlySet<V1Pod>

  constructor(input: ChosenInput) {
    this.#input = input
    this.#candidates = new Set(input.candidates)
  }

  isEvictable(pod: V1Pod): boolean {
    return this.#candidates.has(pod) && this.#input.protection.isEvictable(pod)
  }

  mayLeave(pod: V1Pod): boolean {
    return this.#input.protection.mayLeave(pod)
  }

  choose(pod: V1Pod, choice: Choice): Outcome {
    if (!this.#input.cluster.has(pod)) return 'gone'
    this.#input.cluster.remove(pod)
    this.chosen.push({ pod, choice, movedBytes: movedBytesOf(pod) })
    return 'chosen'
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
