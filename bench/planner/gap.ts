// How far the search alone is from the optimum that HiGHS proves, on small cases.
import type { Highs } from 'highs'
import { buildModel } from '../../src/planner/build-model.ts'
import { costOf, pricesFor } from '../../src/planner/cost.ts'
import { exactProblem } from '../../src/planner/exact/problem.ts'
import { solveExactly } from '../../src/planner/exact/solve.ts'
import { evenShares, unevenness } from '../../src/planner/imbalance.ts'
import type { Model } from '../../src/planner/model.ts'
import { Placement } from '../../src/planner/placement.ts'
import { limitsOf, search } from '../../src/planner/plan.ts'
import { generatedCluster } from '../../test/planner/generated-cluster.ts'

export interface GapCase {
  seed: number
  nodeCount: number
  podCount: number
  mostMoves: number
}

export interface Gap extends GapCase {
  /** Cost of the search's plan over the proven optimum's, as a part of it; undefined: not proven in the time. */
  overOptimum: number | undefined
  searchMs: number
  exactMs: number
}

const goal = { kind: 'balance' } as const

export function measureGap(highs: Highs, wish: GapCase, exactSeconds: number): Gap {
  const model = buildModel(generatedCluster(wish), goal)
  const placement = new Placement(model)
  const shares = evenShares(placement)
  const prices = pricesFor(model, unevenness(placement, shares))
  const problem = exactProblem({ placement, shares, prices, goal, mostMoves: wish.mostMoves })
  const startMs = performance.now()
  search(placement, goal, limitsOf(model, { goal, isOver: () => performance.now() - startMs > 5000, mostMoves: wish.mostMoves }))
  const searchMs = performance.now() - startMs
  const found = costOf(placement, shares, prices)
  const exactStartMs = performance.now()
  const answer = problem && solveExactly(highs, problem, () => exactSeconds - (performance.now() - exactStartMs) / 1000)
  const exactMs = performance.now() - exactStartMs
  // Tangents are an outer line: what HiGHS proves is a bound for the real squares.
  const overOptimum = answer?.proven ? found / exactCost(model, answer.places, shares, prices, placement) - 1 : undefined
  placement.leave()
  return { ...wish, overOptimum, searchMs, exactMs }
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
