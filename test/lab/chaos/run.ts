// A chaos run: move after move from its seed, each struck by one trouble; the oracle talks to the pod all the while.
import { quietStates, type States } from '../product/node-state.ts'
import type { World } from '../product/world.ts'
import { untilNothingLeft } from './leftovers.ts'
import { chaosMove, type Result, type Stage } from './one-move.ts'
import { Oracle } from './oracle.ts'
import { describePlan, drawPlan, type Plan } from './plan.ts'
import { chaosApp, chaosManifests } from './workload.ts'

export interface Run {
  plans: Iterable<Plan>
  say: (line: string) => void
}

export interface Summary {
  moves: number
  failed: number
  ends: Record<string, number>
  worstMs: number
}

export function* plansFrom(seed: number, moves: number): Iterable<Plan> {
  for (let index = 0; index < moves; index++) yield drawPlan(seed + index)
}

export async function chaosRun(world: World, run: Run): Promise<Summary> {
  const atFirst = await quietStates(world.lab.nodes)
  const summary = await withPod(world, atFirst, run)
  const left = await untilNothingLeft(world, atFirst, 'no-pod-any-more')
  for (const line of left) run.say(`FAILED left behind when the pod had gone: ${line}`)
  return { ...summary, failed: summary.failed + (left.length > 0 ? 1 : 0) }
}

async function withPod(world: World, atFirst: States, { plans, say }: Run): Promise<Summary> {
  await world.apply(chaosManifests())
  const pod = await world.pod(chaosApp)
  const addresses = { direct: pod.status?.podIP ?? '', service: await world.serviceAddress(chaosApp) }
  const oracle = Oracle.start(world.lab, addresses)
  try {
    await world.until('all connections', async () => (await oracle.look()).open === 8)
    return await allMoves({ world, oracle, atFirst }, plans, say)
  } finally {
    await oracle.end()
    await world.remove(`deployment/${chaosApp}`, `service/${chaosApp}`, '--wait')
    await world.remove('podmigrations', '--all')
  }
}

async function allMoves(stage: Stage, plans: Iterable<Plan>, say: Run['say']): Promise<Summary> {
  const summary: Summary = { moves: 0, failed: 0, ends: {}, worstMs: 0 }
  for (const plan of plans) {
    const result = await chaosMove(stage, plan).catch(failedMove)
    say(
      `${describePlan(plan)} · ${result.struck} · ${result.phase} · worst ${result.worstMs} ms · ${result.ended} ended · ${result.seconds.join('+')} s`,
    )
    if (result.wrong.length > 0) say(`FAILED\n${result.story ?? result.wrong.join('\n')}`)
    count(summary, result)
  }
  return summary
}

/** Something of the run itself, or nothing came to rest: told like what the oracle finds. */
function failedMove(error: Error): Result {
  return { phase: 'unknown', struck: '', worstMs: 0, ended: 0, seconds: [], wrong: [error.stack ?? error.message] }
}

function count(summary: Summary, { phase, wrong, worstMs }: Result): void {
  summary.moves++
  if (wrong.length > 0) summary.failed++
  summary.ends[phase] = (summary.ends[phase] ?? 0) + 1
  summary.worstMs = Math.max(summary.worstMs, worstMs)
}
