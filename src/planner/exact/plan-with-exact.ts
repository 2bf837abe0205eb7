// A plan by search, and for small cases by HiGHS beside it: whichever is worth more.
import { Worker } from 'node:worker_threads'
import { buildModel } from '../build-model.ts'
import { costOf, pricesFor } from '../cost.ts'
import { evenShares, unevenness } from '../imbalance.ts'
import type { PlanningInput } from '../input.ts'
import type { Model } from '../model.ts'
import { Placement } from '../placement.ts'
import { type ClusterPlan, limitsOf, type PlanOptions, reportPlan, search } from '../plan.ts'
import { type ExactProblem, exactProblem } from './problem.ts'
import type { ExactAnswer } from './solve.ts'

/** For the worker to start and to hand its answer over. */
const graceSeconds = 0.3

export async function planWithExact(input: PlanningInput, options: PlanOptions & { seconds: number }): Promise<ClusterPlan> {
  const model = buildModel(input, options.goal)
  const placement = new Placement(model)
  const limits = limitsOf(model, options)
  const shares = evenShares(placement)
  const prices = pricesFor(model, unevenness(placement, shares))
  const problem = exactProblem({ placement, shares, prices, goal: options.goal, mostMoves: limits.mostMoves })
  const answer = problem && solveInWorker(problem, options.seconds - graceSeconds)
  search(placement, options.goal, limits)
  const found = placement.at.slice()
  const foundCost = costOf(placement, shares, prices)
  placement.leave()
  const plan = reportPlan(model, found, options)
  const exact = await answer
  return exact ? better(model, plan, foundCost, exact, options) : plan
}

/** The exact placement may not be reachable in steps: what counts is where its moves lead. */
function better(model: Model, plan: ClusterPlan, foundCost: number, exact: ExactAnswer, options: PlanOptions): ClusterPlan {
  const words = exact.proven ? 'HiGHS has proven that no plan is better than' : 'HiGHS found, without proof in the time,'
  if (exact.cost >= foundCost * (1 - 1e-6)) return { ...plan, exact: exact.proven ? 'HiGHS has proven that no plan is better' : undefined }
  const target = Int32Array.from(model.pods, ({ home }) => home)
  for (const [pod, node] of exact.places) target[pod] = node
  const other = reportPlan(model, target, options)
  if (other.stuck.length > plan.stuck.length || other.imbalance.after > plan.imbalance.after) return plan
  return { ...other, exact: `${words} this one` }
}

/** Undefined also when HiGHS cannot be loaded: the plan by search stands. */
function solveInWorker(problem: ExactProblem, seconds: number): Promise<ExactAnswer | undefined> {
  return new Promise((resolve) => {
    const worker = startWorker({ problem, seconds })
    const timer = setTimeout(() => end(undefined), (seconds + graceSeconds) * 1000)
    const end = (answer: ExactAnswer | undefined) => {
      clearTimeout(timer)
      void worker.terminate()
      resolve(answer)
    }
    worker.once('message', (answer: ExactAnswer | null) => end(answer ?? undefined))
    worker.once('error', () => end(undefined))
    worker.once('exit', () => end(undefined))
  })
}

/** Run from source, the worker has to be taught TypeScript first: tsx does not do it by itself in workers. */
function startWorker(workerData: { problem: ExactProblem; seconds: number }): Worker {
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('./plan-worker.cjs', import.meta.url), { workerData })
  const file = JSON.stringify(new URL('./worker.ts', import.meta.url).href)
  return new Worker(`import('tsx/esm/api').then(({ register }) => (register(), import(${file})))`, { workerData, eval: true })
}
