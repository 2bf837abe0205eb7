// Solves a problem to the end: HiGHS with few tangents, more tangents where its answer pays too little, again.
import type { Highs } from 'highs'
import { firstTangents, lpText } from './lp-text.ts'
import type { ExactProblem } from './problem.ts'

export interface ExactAnswer {
  /** The best placement that was found: pod to node. */
  places: [pod: number, node: number][]
  /** No placement costs less. */
  lowerBound: number
  /** What this one costs. */
  cost: number
  proven: boolean
}

/** Good enough: the plan is chosen between on larger differences. */
const gap = 0.005
const mostRounds = 30

/** Undefined: no answer in the time, or there is none. */
export function solveExactly(highs: Highs, problem: ExactProblem, secondsLeft: () => number): ExactAnswer | undefined {
  const tangents = firstTangents(problem)
  let best: ExactAnswer | undefined
  for (let round = 0; round < mostRounds && secondsLeft() > 0.05; round++) {
    const answer = highs.solve(lpText(problem, tangents), { time_limit: secondsLeft(), mip_rel_gap: gap / 2, output_flag: false })
    if (answer.Status !== 'Optimal' && answer.Status !== 'Time limit reached') return best
    const values = new Map(Object.entries(answer.Columns).map(([name, column]) => [name, (column as { Primal?: number }).Primal ?? 0]))
    const cost = costOf(problem, values)
    if (!Number.isFinite(cost) || values.size === 0) return best
    const optimal = answer.Status === 'Optimal'
    const lowerBound = optimal ? Math.max(best?.lowerBound ?? 0, answer.ObjectiveValue * (1 - gap / 2)) : (best?.lowerBound ?? 0)
    if (!best || cost < best.cost) best = { places: placesIn(problem, values), cost, lowerBound, proven: false }
    best = { ...best, lowerBound, proven: best.cost <= lowerBound * (1 + gap) + 1e-9 }
    if (best.proven || !optimal) return best
    for (const { column } of problem.distances) tangents.get(column)?.push(values.get(column) ?? 0)
  }
  return best
}

function costOf({ objective, distances }: ExactProblem, values: ReadonlyMap<string, number>): number {
  const linear = objective.reduce((sum, [column, factor]) => sum + factor * (values.get(column) ?? 0), 0)
  return distances.reduce((sum, { column }) => sum + (values.get(column) ?? 0) ** 2, linear)
}

function placesIn({ places }: ExactProblem, values: ReadonlyMap<string, number>): [number, number][] {
  return Object.entries(places).flatMap(([column, [pod, node]]) =>
    (values.get(column) ?? 0) > 0.5 ? [[pod, node] as [number, number]] : [],
  )
}
