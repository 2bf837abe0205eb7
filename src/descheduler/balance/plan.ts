// Plans moves off full nodes: victims by the excess they take away per GiB copied, destinations by the extender's own ranking. Pure.
import type { V1Pod } from '@kubernetes/client-node'
import type { ResourceThresholds } from '../../api/descheduler-arguments.ts'
import type { StrategyName } from '../../api/migration-policy.ts'
import { type Amounts, addAmounts, podKey, podRequests } from '../../extender/requests.ts'
import type { Place, Placement } from '../placement.ts'
import type { Finding } from '../strategies/strategy.ts'
import { excessOf, limitsOf, type NodeLoad, percentOf } from '../utilisation.ts'

export interface PlannedMove {
  namespace: string
  podName: string
  podUid: string
  fromNode: string
  /** Empty: it cannot be moved live, the policy has it evicted. */
  toNode: string
  movedBytes: number
  /** Percent points of excess that it takes off its node; of strategies that do not level nodes: 1 a pod. */
  gain: number
  strategy: StrategyName
  reason: string
}

export interface PlanInput {
  placement: Placement
  strategy: StrategyName
  loads: readonly NodeLoad[]
  finding: Finding
  candidates: readonly V1Pod[]
  usageOf: (pod: V1Pod) => Amounts
}

export interface Plan {
  moves: PlannedMove[]
  /** Why pods that would have helped stay: reason to count. */
  left: Record<string, number>
}

interface Candidate {
  pod: V1Pod
  used: Amounts
  fromNode: string
  movedBytes: number
}

/** A pod without a memory request still has to be copied. */
const leastMovedBytes = 2 ** 27
/** Below a hundredth of a percent point a move is not worth its freeze. */
const leastGain = 0.01

export function planBalance(input: PlanInput): Plan {
  const plan: Plan = { moves: [], left: {} }
  const loads = new Map(input.loads.map((load) => [load.nodeName, { ...load, used: { ...load.used } }]))
  for (const nodeName of input.finding.sources) {
    const load = loads.get(nodeName)
    if (load) relieve(load, loads, input, plan)
  }
  return plan
}

/** One full node: best pod first, until it is under its target or nobody is left. */
function relieve(load: NodeLoad, loads: ReadonlyMap<string, NodeLoad>, input: PlanInput, plan: Plan): void {
  const waiting = new Set(candidatesOn(load.nodeName, input))
  const { emptied, ceiling, maxPerSource = Number.POSITIVE_INFINITY } = input.finding
  const isDone = () => !emptied && excessOf(load, ceiling) <= 0
  for (let moved = 0; moved < maxPerSource && !isDone(); ) {
    const best = bestOf(waiting, load, input.finding)
    if (!best) return
    waiting.delete(best.candidate)
    const outcome = place(best.candidate, loads, input)
    if ('left' in outcome) plan.left[outcome.left] = (plan.left[outcome.left] ?? 0) + 1
    else {
      plan.moves.push(accept(best, outcome.toNode, loads, input))
      moved++
    }
  }
}

function candidatesOn(nodeName: string, { candidates, usageOf }: PlanInput): Candidate[] {
  return candidates
    .filter((pod) => pod.spec?.nodeName === nodeName)
    .map((pod) => ({ pod, used: usageOf(pod), fromNode: nodeName, movedBytes: movedBytesOf(pod) }))
}

export function movedBytesOf(pod: V1Pod): number {
  return Math.max(leastMovedBytes, podRequests(pod).memory ?? 0)
}

interface Best {
  candidate: Candidate
  gain: number
}

function bestOf(candidates: Iterable<Candidate>, load: NodeLoad, { ceiling, emptied }: Finding): Best | undefined {
  let best: (Best & { perByte: number }) | undefined
  for (const candidate of candidates) {
    const gain = emptied ? shareOf(candidate.used, load, ceiling) : gainOf(candidate.used, load, ceiling)
    const perByte = gain / candidate.movedBytes
    if (gain < leastGain && !emptied) continue
    if (!best || perByte > best.perByte || (perByte === best.perByte && podKey(candidate.pod) < podKey(best.candidate.pod)))
      best = { candidate, gain, perByte }
  }
  return best
}

/** Percent points that the pod takes along, whether or not they are too many. */
function shareOf(used: Amounts, load: NodeLoad, ceiling: ResourceThresholds): number {
  const shares = limitsOf(ceiling).map(([resource]) => (100 * (used[resource] ?? 0)) / (load.allocatable[resource] || 1))
  return Math.max(0, ...shares)
}

/** Percent points of excess that go with the pod, over all resources that are over their target. */
function gainOf(used: Amounts, load: NodeLoad, ceiling: ResourceThresholds): number {
  let gain = 0
  for (const [resource, percent] of limitsOf(ceiling)) {
    const all = load.allocatable[resource] ?? 0
    const excess = percentOf(load, resource) - percent
    if (all > 0 && excess > 0) gain += Math.min(excess, (100 * (used[resource] ?? 0)) / all)
  }
  return gain
}

function place(candidate: Candidate, loads: ReadonlyMap<string, NodeLoad>, input: PlanInput): Place {
  const level = input.finding.destinations.filter((name) => staysUnder(candidate, loads.get(name), input.finding.ceiling))
  if (level.length === 0) return { left: 'every destination would be over its target' }
  return input.placement.find(candidate.pod, level)
}

function staysUnder(candidate: Candidate, load: NodeLoad | undefined, ceiling: ResourceThresholds): boolean {
  if (!load) return false
  const used = { ...load.used }
  addAmounts(used, candidate.used)
  return excessOf({ ...load, used }, ceiling) === 0
}

function accept({ candidate, gain }: Best, toNode: string, loads: ReadonlyMap<string, NodeLoad>, input: PlanInput): PlannedMove {
  const { pod, used, fromNode, movedBytes } = candidate
  const { namespace = '', name = '', uid = '' } = pod.metadata ?? {}
  addAmounts(loads.get(fromNode)?.used ?? {}, used, -1)
  addAmounts(loads.get(toNode)?.used ?? {}, used)
  input.placement.accept(pod, toNode)
  const { strategy, finding } = input
  return { namespace, podName: name, podUid: uid, fromNode, toNode, movedBytes, gain, strategy, reason: finding.reason }
}
