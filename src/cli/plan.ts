// podmotion plan: the moves that bring a snapshot to a goal, in an order in which each is feasible, and what they are worth.
import { type Command, InvalidArgumentError } from 'commander'
import { planWithExact } from '../planner/exact/plan-with-exact.ts'
import { checkGoal, parseGoal } from '../planner/goal-text.ts'
import type { ClusterPlan } from '../planner/plan.ts'
import { describePlan } from '../planner/plan-text.ts'
import type { Console } from './console.ts'
import { parseSnapshot } from './snapshot.ts'

interface Options {
  snapshot: string
  goal: string
  seconds: number
  output: 'json' | 'table'
  maxMoves?: number
  bandwidthMbps?: number
  seed?: number
}

export function addPlan(program: Command, console: Console, _exit: (code: number) => void): void {
  program
    .command('plan')
    .description('the moves that bring the cluster to a goal, in executable order')
    .requiredOption('--snapshot <file>', 'what kubectl get … -A -o json wrote; - is standard input')
    .option('--goal <goal>', 'balance, consolidate or evacuate=NODE,NODE', 'balance')
    .option('--seconds <n>', 'time for the search; more of it gives a better plan', positive, 5)
    .option('--max-moves <n>', 'moves of a balance plan (default: 3 of 100 pods, 20 at least)', whole)
    .option('--bandwidth-mbps <n>', 'for the expected time', positive, 1000)
    .option('--seed <n>', 'the same seed and enough time give the same plan', whole)
    .option('-o, --output <format>', 'json or table', outputFormat, 'table')
    .action(async (options: Options) => console.out(show(await run(options, console), options.output)))
}

async function run(options: Options, console: Console): Promise<ClusterPlan> {
  const startMs = console.clock.nowMs()
  const goal = parseGoal(options.goal)
  const snapshot = parseSnapshot(await console.read(options.snapshot), options.snapshot)
  checkGoal(
    goal,
    snapshot.nodes.map(({ metadata }) => metadata?.name ?? ''),
  )
  const untilMs = startMs + options.seconds * 1000
  return planWithExact(snapshot, {
    goal,
    isOver: () => console.clock.nowMs() >= untilMs,
    seconds: options.seconds,
    seed: options.seed,
    mostMoves: options.maxMoves,
    bandwidthMbps: options.bandwidthMbps,
  })
}

function show(plan: ClusterPlan, format: Options['output']): string {
  return format === 'json' ? `${JSON.stringify(plan, null, 2)}\n` : describePlan(plan)
}

function positive(text: string): number {
  const value = Number(text)
  if (Number.isFinite(value) && value > 0) return value
  throw new InvalidArgumentError(`expected a number over 0, got "${text}".`)
}

function whole(text: string): number {
  const value = Number(text)
  if (text !== '' && Number.isInteger(value) && value >= 0) return value
  throw new InvalidArgumentError(`expected a whole number from 0, got "${text}".`)
}

function outputFormat(text: string): string {
  if (text === 'json' || text === 'table') return text
  throw new InvalidArgumentError(`expected json or table, got "${text}".`)
}
