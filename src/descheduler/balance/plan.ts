// Plans moves off full nodes: victims by the excess they take away per GiB copied, destinations by the extender's own ranking. Pure.
import type { V1Pod } from '@kubernetes/client-node'
import type { ResourceThresholds } from '../../api/descheduler-arguments.ts'
import type { ClusterIndex } from '../../extender/cluster-index.ts'
import { rankOn } from '../../extender/rank.ts'
import { type Amounts, addAmounts, podKey, podRequests } from '../../extender/requests.ts'
import type { BudgetLedger } from '../budgets.ts'
import type { Finding } from '../strategies/strategy.ts'
import { excessOf, limitsOf, type NodeLoad, percentOf } from '../utilisation.ts'

export interface PlannedMove {
  namespace: string
  podName: string
  podUid: string
  fromNode: string
  toNode: string
  movedBytes: number
  /** Percent points of excess that it takes off its node. */
  gain: number
  reason: string
}

export interface PlanInput {
  /** Changed by planning: planned moves reserve their room in it. Give it a copy of your own. */
  index: ClusterIndex
  loads: readonly NodeLoad[]
  finding: Finding
  candidates: readonly V1Pod[]
  ledger: BudgetLedger
  nowMs: number
}

export interface Plan {
  moves: PlannedMove[]
  /** Why pods that would have helped stay: reason to count. */
  left: Record<string, number>
}

interface Candidate {
  pod: V1Pod
  requests: Amounts
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
  const waiting = new Set(candidatesOn(load.nodeName, input.candidates))
  while (excessOf(load, input.finding.ceiling) > 0) {
    const best = bestOf(waiting, load, input.finding.ceiling)
    if (!best) return
    waiting.delete(best.candidate)
    const outcome = place(best.candidate, loads, input)
    if ('left' in outcome) plan.left[outcome.left] = (plan.left[outcome.left] ?? 0) + 1
    else plan.moves.push(accept(best, outcome.toNode, loads, input))
  }
}

function candidatesOn(nodeName: string, pods: readonly V1Pod[]): Candidate[] {
  return pods
    .filter((pod) => pod.spec?.nodeName === nodeName)
    .map((pod) => {
      const requests = podRequests(pod)
      return { pod, requests, fromNode: nodeName, movedBytes: Math.max(leastMovedBytes, requests.memory ?? 0) }
    })
}

interface Best {
  candidate: Candidate
  gain: number
}

function bestOf(candidates: Iterable<Candidate>, load: NodeLoad, ceiling: ResourceThresholds): Best | undefined {
  let best: (Best & { perByte: number }) | undefined
  for (const candidate of candidates) {
    const gain = gainOf(candidate.requests, load, ceiling)
    const perByte = gain / candidate.movedBytes
    if (gain < leastGain) continue
    if (!best || perByte > best.perByte || (perByte === best.perByte && podKey(candidate.pod) < podKey(best.candidate.pod)))
      best = { candidate, gain, perByte }
  }
  return best
}

/** Percent points of excess that go with the pod, over all resources that are over their target. */
function gainOf(requests: Amounts, load: NodeLoad, ceiling: ResourceThresholds): number {
  let gain = 0
  for (const [resource, percent] of limitsOf(ceiling)) {
    const all = load.allocatable[resource] ?? 0
    const excess = percentOf(load, resource) - percent
    if (all > 0 && excess > 0) gain += Math.min(excess, (100 * (requests[resource] ?? 0)) / all)
  }
  return gain
}

/** What is cheap to ask goes first: ranking looks at everything. */
function place(candidate: Candidate, loads: ReadonlyMap<string, NodeLoad>, input: PlanInput): { toNode: string } | { left: string } {
  const { pod, fromNode } = candidate
  const namespace = pod.metadata?.namespace ?? ''
  const level = input.finding.destinations.filter((name) => staysUnder(candidate, loads.get(name), input.finding.ceiling))
  if (level.length === 0) return { left: 'every destination would be over its target' }
  const allowed = level.filter((toNode) => !input.ledger.broken({ namespace, fromNode, toNode }))
  if (allowed.length === 0) return { left: `budget ${input.ledger.broken({ namespace, fromNode, toNode: level[0] ?? '' })}` }
  const [best] = rankOn(input.index, pod, { sourceNodeName: fromNode, nowMs: input.nowMs, names: allowed })
  if (best?.fits) return { toNode: best.nodeName }
  return { left: `no destination fits (${best?.reasons.map(({ code }) => code).join(', ') || 'none is known'})` }
}

function staysUnder(candidate: Candidate, load: NodeLoad | undefined, ceiling: ResourceThresholds): boolean {
  if (!load) return false
  const used = { ...load.used }
  addAmounts(used, candidate.requests)
  return excessOf({ ...load, used }, ceiling) === 0
}

function accept({ candidate, gain }: Best, toNode: string, loads: ReadonlyMap<string, NodeLoad>, input: PlanInput): PlannedMove {
  const { pod, requests, fromNode, movedBytes } = candidate
  const { namespace = '', name = '', uid = '' } = pod.metadata ?? {}
  addAmounts(loads.get(fromNode)?.used ?? {}, requests, -1)
  addAmounts(loads.get(toNode)?.used ?? {}, requests)
  input.index.reserve({ migrationKey: `planned/${podKey(pod)}`, sourcePodKey: podKey(pod), nodeName: toNode, amounts: requests })
  input.ledger.spend({ namespace, fromNode, toNode })
  return { namespace, podName: name, podUid: uid, fromNode, toNode, movedBytes, gain, reason: input.finding.reason }
}
