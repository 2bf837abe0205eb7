// Plans a goal for a whole cluster: searches a placement, orders the moves to it, and reports what it is worth. Pure.
import { buildModel } from './build-model.ts'
import { expectedSeconds } from './expected-time.ts'
import { balance } from './goals/balance.ts'
import { consolidate } from './goals/consolidate.ts'
import { evacuate } from './goals/evacuate.ts'
import { evenShares, type Imbalance, imbalanceOf } from './imbalance.ts'
import type { Goal, PlanningInput } from './input.ts'
import type { Limits } from './limits.ts'
import type { Model, ModelNode, ModelPod } from './model.ts'
import { cutAtBest, type OrderedMove, orderMoves } from './order.ts'
import { Placement } from './placement.ts'
import { chanceFrom } from './random.ts'

export interface PlanOptions {
  goal: Goal
  /** True once the time is used up. */
  isOver(): boolean
  seed?: number | undefined
  /** Default for balance: 3 of 100 pods, 20 at least. */
  mostMoves?: number | undefined
  patienceRounds?: number | undefined
  bandwidthMbps?: number | undefined
}

export interface PlannedMove {
  /** From 1: each move is feasible once those before it have ended. */
  step: number
  namespace: string
  podName: string
  podUid: string
  fromNode: string
  toNode: string
  movedBytes: number
  /** The pod goes on from there in a later step: nothing else breaks the cycle. */
  detour: boolean
}

export interface BeforeAndAfter {
  before: number
  after: number
}

export interface ClusterPlan {
  goal: Goal
  loadSource: Model['loadSource']
  /** Root mean square distance of the nodes' utilisation from the even share, in percent points. */
  imbalance: BeforeAndAfter & { byResource: Record<string, BeforeAndAfter>; fullestNode: Record<string, BeforeAndAfter> }
  /** Nodes with pods other than those of DaemonSets. */
  nodesInUse: BeforeAndAfter
  moves: PlannedMove[]
  movedGiB: number
  expectedSeconds: number
  /** Pods that the goal asks to move and that stay, with the reason. */
  stuck: { namespace: string; podName: string; nodeName: string; reason: string }[]
  /** Pods that no goal may move: reason to count. */
  fixed: Record<string, number>
  /** What an exact solver says of the plan, where it was asked. */
  exact?: string | undefined
}

const usualPatienceRounds = 500
const usualBandwidthMbps = 1000
const mostMovedPart = 0.03
const leastMostMoves = 20

export function planCluster(input: PlanningInput, options: PlanOptions): ClusterPlan {
  const model = buildModel(input, options.goal)
  const placement = new Placement(model)
  search(placement, options.goal, limitsOf(model, options))
  const target = placement.at.slice()
  placement.leave()
  return reportPlan(model, target, options)
}

export function limitsOf(model: Model, options: PlanOptions): Limits {
  const { isOver, seed = 1, patienceRounds = usualPatienceRounds } = options
  const mostMoves = options.mostMoves ?? Math.max(leastMostMoves, Math.ceil(mostMovedPart * model.pods.length))
  return { isOver, mostMoves, patienceRounds, chance: chanceFrom(seed) }
}

export function search(placement: Placement, goal: Goal, limits: Limits): void {
  if (goal.kind === 'balance') return balance(placement, limits)
  if (goal.kind === 'consolidate') return consolidate(placement, limits)
  evacuate(placement, positionsOf(placement.model, goal.nodeNames), limits)
}

function positionsOf(model: Model, names: readonly string[]): Set<number> {
  return new Set(model.nodes.flatMap(({ name }, position) => (names.includes(name) ? [position] : [])))
}

/** From a placement to what a person reads: the moves in order, and what they come to when they are made. */
export function reportPlan(model: Model, target: Int32Array, options: PlanOptions): ClusterPlan {
  const { goal, bandwidthMbps = usualBandwidthMbps } = options
  const placement = new Placement(model)
  const before = imbalanceOf(placement)
  const nodesBefore = nodesInUse(placement)
  const shares = evenShares(placement)
  const order = orderMoves(placement, target, shares)
  const moves = goal.kind === 'balance' && !order.isComplete ? cutAtBest(placement, order.moves, shares) : order.moves
  const movedBytes = moves.reduce((sum, { pod }) => sum + podOf(model, pod).movedBytes, 0)
  const plan: ClusterPlan = {
    goal,
    loadSource: model.loadSource,
    imbalance: compare(before, imbalanceOf(placement)),
    nodesInUse: { before: nodesBefore, after: nodesInUse(placement) },
    moves: moves.map((move, position) => plannedMove(model, move, position)),
    movedGiB: Math.round((movedBytes / 2 ** 30) * 100) / 100,
    expectedSeconds: expectedSeconds(model, moves, bandwidthMbps),
    stuck: goal.kind === 'evacuate' ? stuckOn(placement, goal.nodeNames) : [],
    fixed: countReasons(model),
  }
  placement.leave()
  return plan
}

function plannedMove(model: Model, { pod, from, to, isDetour }: OrderedMove, position: number): PlannedMove {
  const { namespace, name, uid, movedBytes } = podOf(model, pod)
  const nodes = { fromNode: nameOf(model, from), toNode: nameOf(model, to) }
  return { step: position + 1, namespace, podName: name, podUid: uid, ...nodes, movedBytes, detour: isDetour }
}

function compare(before: Imbalance, after: Imbalance): ClusterPlan['imbalance'] {
  const pairs = (one: Record<string, number>, other: Record<string, number>) =>
    Object.fromEntries(Object.entries(one).map(([name, value]) => [name, { before: value, after: other[name] ?? 0 }]))
  return {
    before: before.total,
    after: after.total,
    byResource: pairs(before.byResource, after.byResource),
    fullestNode: pairs(before.fullestByResource, after.fullestByResource),
  }
}

function nodesInUse({ model, podsOn }: Placement): number {
  return podsOn.filter((pods) => [...pods].some((pod) => !podOf(model, pod).isOfNode)).length
}

function stuckOn(placement: Placement, nodeNames: readonly string[]): ClusterPlan['stuck'] {
  const { model } = placement
  return [...positionsOf(model, nodeNames)].flatMap((node) =>
    [...(placement.podsOn[node] ?? [])]
      .filter((pod) => !podOf(model, pod).isOfNode)
      .map((pod) => {
        const { namespace, name, stays } = podOf(model, pod)
        return { namespace, podName: name, nodeName: nameOf(model, node), reason: stays ?? whyNowhere(placement, pod) }
      }),
  )
}

function whyNowhere(placement: Placement, pod: number): string {
  const { nodes } = placement.model
  const places = [...nodes.keys()].filter((node) => nodes[node]?.isDestination)
  const allowed = places.filter((node) => placement.allows(pod, node))
  const roomy = allowed.filter((node) => placement.fits(pod, node))
  return `of ${places.length} nodes that take pods its own rules allow ${allowed.length}, of which ${roomy.length} have room for it`
}

function countReasons(model: Model): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { stays } of model.pods) if (stays !== undefined) counts[stays] = (counts[stays] ?? 0) + 1
  return counts
}

function podOf(model: Model, pod: number): ModelPod {
  return model.pods[pod] as ModelPod
}

function nameOf(model: Model, node: number): string {
  return (model.nodes[node] as ModelNode).name
}
