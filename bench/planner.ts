// What the planner's plans are worth, how long they take, and how far they are from the best there is; prints one line that starts with `planner:`.
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import loadHighs from 'highs'
import { buildModel } from '../src/planner/build-model.ts'
import type { ClusterPlan } from '../src/planner/plan.ts'
import { defectsOf } from '../test/planner/checker.ts'
import { generatedCluster } from '../test/planner/generated-cluster.ts'
import { leastImbalance } from './planner/bound.ts'
import { type Gap, measureGap } from './planner/gap.ts'

interface Run extends ClusterPlan {
  tookSeconds: number
  residentMiB: number
}

const seeds = [1, 2, 3]
const gapSeeds = Array.from({ length: 16 }, (_none, number) => number + 1)
const exactSeconds = 12
const results = fileURLToPath(new URL('./results/planner', import.meta.url))
const highs = await (loadHighs as unknown as typeof loadHighs.default)()
const lines: string[] = []

function say(line: string): void {
  lines.push(line)
  console.log(line)
}

async function runPlan(...numbers: readonly number[]): Promise<Run> {
  const script = fileURLToPath(new URL('./planner/one-plan.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', script, ...numbers.map(String)], {
    maxBuffer: 2 ** 28,
  })
  return JSON.parse(stdout)
}

/** The part of what any plan with so many moves could remove that this one removes, at least. */
async function middle(seed: number): Promise<{ removed: number; run: Run }> {
  const run = await runPlan(seed, 300, 3000, 4.8)
  const input = generatedCluster({ seed, nodeCount: 300, podCount: 3000 })
  const model = buildModel(input, { kind: 'balance' })
  const least = leastImbalance(highs, model, Math.ceil(0.03 * model.pods.length))
  const removed = (run.imbalance.before - run.imbalance.after) / (run.imbalance.before - least)
  const defects = defectsOf(input, run)
  say(
    `300 nodes, ${model.pods.length} pods, seed ${seed}: imbalance ${run.imbalance.before} → ${run.imbalance.after} percent points, at least ${least.toFixed(2)} for any plan:` +
      ` ${percent(removed)} of the removable removed, ${run.moves.length} moves (${percent(run.moves.length / model.pods.length)} of the pods), ${run.movedGiB} GiB,` +
      ` about ${run.expectedSeconds} s to move, planned in ${run.tookSeconds.toFixed(1)} s, ${defects.length} moves not feasible`,
  )
  if (defects.length > 0) throw new Error(defects.join('\n'))
  return { removed, run }
}

function gapText({ belowOptimum, isReachable }: Gap): string {
  if (belowOptimum === undefined) return 'not proven in the time'
  const text = `${(100 * belowOptimum).toFixed(2)} % less removed than by the optimum`
  return isReachable ? text : `${text}, which no moves one by one lead to`
}

function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`
}

const middles = []
for (const seed of seeds) middles.push(await middle(seed))

const gaps: Gap[] = gapSeeds.map((seed) =>
  measureGap(highs, { seed, nodeCount: 4 + (seed % 2), podCount: 12 + 4 * (seed % 3), mostMoves: 2 + (seed % 3) }, exactSeconds),
)
for (const gap of gaps)
  say(
    `${gap.nodeCount} nodes, ${gap.podCount} pods, ${gap.mostMoves} moves, seed ${gap.seed}: ${gapText(gap)}, search ${gap.searchMs.toFixed(0)} ms, HiGHS ${gap.exactMs.toFixed(0)} ms`,
  )
const solved = gaps.flatMap(({ belowOptimum, isReachable }) => (isReachable && belowOptimum !== undefined ? [belowOptimum] : []))
const isNear = (gap: number) => gap <= 0.02

const large = await runPlan(1, 1000, 50_000, 55)
say(
  `1000 nodes, 50000 pods: imbalance ${large.imbalance.before} → ${large.imbalance.after} percent points, ${large.moves.length} moves, ${large.tookSeconds.toFixed(1)} s, ${large.residentMiB.toFixed(0)} MiB`,
)
const worstRemoved = Math.min(...middles.map(({ removed }) => removed))
const slowest = Math.max(...middles.map(({ run }) => run.tookSeconds))
say(
  `planner: 300 nodes 3000 pods in ${slowest.toFixed(1)} s, at least ${percent(worstRemoved)} of the removable imbalance with ≤ 3 % of the pods moved` +
    ` · ${solved.filter(isNear).length} of ${solved.length} small cases that HiGHS solves within 2 % of the optimum, at most ${(100 * Math.max(...solved)).toFixed(2)} % less removed` +
    ` · 1000 nodes 50000 pods in ${large.tookSeconds.toFixed(1)} s, ${(large.residentMiB / 1024).toFixed(2)} GiB`,
)
await writeFile(`${results}.txt`, `${lines.join('\n')}\n`)
await writeFile(
  `${results}.json`,
  `${JSON.stringify({ middles: middles.map(({ removed, run: { moves, ...run } }) => ({ removed, moves: moves.length, ...run })), gaps }, null, 2)}\n`,
)
