// How far the search alone is from the optimum that HiGHS proves, on small cases.
import type { Highs } from 'highs'
import { buildModel } from '../../src/planner/build-model.ts'
import { costOf, pricesFor } from '../../src/planner/cost.ts'
import { exactProblem } from '../../src/planner/exact/problem.ts'
import { solveExactly } from '../../src/planner/exact/solve.ts'
import { evenShares, unevenness } from '../../src/planner/imbalance.ts'
import type { Model } from '../../src/planner/model.ts'
import { Placement } from '../../src/planner/placement.ts'
import { limitsOf, reportPlan, search } from '../../src/planner/plan.ts'
import { generatedCluster } from '../../test/planner/generated-cluster.ts'

export interface GapCase {
  seed: number
  nodeCount: number
  podCount: number
  mostMoves: number
}

export interface Gap extends GapCase {
  /** How much less imbalance the search's plan removes than the proven optimum, as a part of that; undefined: not proven in the time. */
  belowOptimum: number | undefined
  /** False: the optimum is none that its moves lead to one by one, and the number above is too high. */
  isReachable: boolean
  searchMs: number
  exactMs: number
}

const goal = { kind: 'balance' } as const

/** Imbalance is the root of what is paid for. */
function removed(before: number, after: number): number {
  return Math.max(1e-9, Math.sqrt(before) - Math.sqrt(after))
}

/** HiGHS knows no order of moves: an optimum that nobody can reach move by move is none. */
function leadsThere(model: Model, places: readonly (readonly [number, number])[]): boolean {
  const target = Int32Array.from(model.pods, ({ home }) => home)
  for (const [pod, node] of places) target[pod] = node
  const moved = target.filter((node, pod) => node !== model.pods[pod]?.home).length
  return reportPlan(model, target, { goal, isOver: () => false }).moves.filter(({ detour }) => !detour).length >= moved
}

export function measureGap(highs: Highs, wish: GapCase, exactSeconds: number): Gap {
  const model = buildModel(generatedCluster(wish), goal)
  const placement = new Placement(model)
  const shares = evenShares(placement)
  const before = unevenness(placement, shares)
  const prices = pricesFor(model, before)
  const problem = exactProblem({ placement, shares, prices, goal, mostMoves: wish.mostMoves })
  const startMs = performance.now()
  search(placement, goal, limitsOf(model, { goal, isOver: () => performance.now() - startMs > 5000, mostMoves: wish.mostMoves }))
  const searchMs = performance.now() - startMs
  const found = costOf(placement, shares, prices)
  const exactStartMs = performance.now()
  const answer = problem && solveExactly(highs, problem, () => exactSeconds - (performance.now() - exactStartMs) / 1000)
  const exactMs = performance.now() - exactStartMs
  // Tangents are an outer line: what HiGHS proves is a bound for the real squares.
  const optimum = answer?.proven ? exactCost(model, answer.places, shares, prices, placement) : undefined
  placement.leave()
  const isReachable = optimum !== undefined && answer !== undefined && leadsThere(model, answer.places)
  const belowOptimum = optimum === undefined ? undefined : Math.max(0, 1 - removed(before, found) / removed(before, optimum))
  return { ...wish, belowOptimum, isReachable, searchMs, exactMs }
}

function exactCost(
  model: Model,
  places: readonly (readonly [number, number])[],
  shares: Float64Array,
  prices: ReturnType<typeof pricesFor>,
  placement: Placement,
): number {
  const at = Int32Array.from(model.pods, ({ home }) => home)
  for (const [pod, node] of places) at[pod] = node
  placement.become(at)
  return costOf(placement, shares, prices)
}
