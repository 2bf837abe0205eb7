// One move of a chaos run: begins, is struck, ends, comes to rest, and is judged.
import { setTimeout as sleep } from 'node:timers/promises'
import type { V1Pod } from '@kubernetes/client-node'
import { isTerminal } from '../../../src/api/phases.ts'
import { node as hostOf } from '../hosts.ts'
import { waitEligible } from '../product/install.ts'
import { journalOf } from '../product/journals.ts'
import type { States } from '../product/node-state.ts'
import { freshPods } from '../product/own-pods.ts'
import type { World } from '../product/world.ts'
import { committedOn, copiesOn, watchSource } from './copies.ts'
import { untilStruck } from './instants.ts'
import { endedByNode, freezeWindowBudgetMs, type Outcome, wrongWith } from './judge.ts'
import { leftAfterMove } from './leftovers.ts'
import type { Oracle } from './oracle.ts'
import type { Plan } from './plan.ts'
import { beginMove, type Scene, type Struck } from './scene.ts'
import { tellStory } from './story.ts'
import { chaosApp } from './workload.ts'

const endsWithinMs = 240_000
const restWithinMs = 120_000

export interface Stage {
  world: World
  oracle: Oracle
  atFirst: States
}

export interface Result {
  /** `Complete`, `RolledBack`, `Failed`, or `deleted`. */
  phase: string
  struck: string
  worstMs: number
  ended: number
  wrong: string[]
  /** Seconds until the migration had ended, all was at rest, and nothing was left. */
  seconds: number[]
  story?: string
}

export async function chaosMove(stage: Stage, plan: Plan): Promise<Result> {
  const { world, oracle } = stage
  const scene = await begin(world, plan)
  const lap = stopwatch()
  const over = new AbortController()
  const watching = watchSource(scene, over.signal)
  const ended = new AbortController()
  const striking = strike(scene, plan, ended.signal)
  const phase = await untilEnded(scene).finally(() => ended.abort())
  const { struck, troubleMs, at } = await striking
  const seconds = [lap()]
  await comeToRest(stage, scene)
  seconds.push(lap())
  const committed = committedOn(scene.destination, scene.uid)
  const left = await leftAfterMove(world, stage.atFirst, scene.pod.status?.podIP ?? '')
  seconds.push(lap())
  over.abort()
  const carried = { scene, struck, committed, homeNode: homeOf(scene.pod) }
  for (const kind of ['direct', 'service'] as const) if (endedByNode(carried, kind)) oracle.abandon(kind)
  const seen = await oracle.look()
  const outcome: Outcome = {
    ...carried,
    troubleMs,
    seen,
    copies: copiesOn(world.lab.nodes),
    livedOn: await watching,
    left,
    resolvedAsGone: journalOf(scene.source, scene.uid).includes('"code":"DestinationGone"'),
    at,
  }
  const wrong = [
    ...wrongWith(outcome),
    ...(isTerminal(phase as never) || phase === 'deleted' ? [] : [`the migration did not end: ${phase}`]),
  ]
  const story = wrong.length > 0 ? { story: await tellStory(plan, scene, struck.text, wrong) } : {}
  return { phase, struck: struck.text, worstMs: seen.worstMs, ended: seen.ended.length, wrong, seconds, ...story }
}

/** Seconds since the last time. */
function stopwatch(): () => number {
  let beforeMs = Date.now()
  return () => {
    const seconds = Math.round((Date.now() - beforeMs) / 1000)
    beforeMs = Date.now()
    return seconds
  }
}

async function begin(world: World, plan: Plan): Promise<Scene> {
  const spec = { freezeWindowBudgetMs, completionTimeoutSeconds: 90 }
  return await beginMove(world, await world.pod(chaosApp), plan.dice, { spec, name: `chaos-${plan.seed}-${Date.now() % 1_000_000}` })
}

interface Strike {
  struck: Struck
  troubleMs: number
  at: Outcome['at']
}

async function strike(scene: Scene, { trouble, instant }: Plan, ended: AbortSignal): Promise<Strike> {
  const came = await untilStruck(scene, instant, ended)
  const at = { source: journalOf(scene.source, scene.uid), destination: journalOf(scene.destination, scene.uid) }
  if (!came) return { struck: { text: 'the move ended before it' }, troubleMs: 0, at }
  const startMs = Date.now()
  const struck = await trouble.strike(scene)
  // The destination may have committed in the milliseconds that finding the victims took.
  at.destination = journalOf(scene.destination, scene.uid)
  await struck.undo?.()
  return { struck, troubleMs: Date.now() - startMs, at }
}

async function untilEnded({ world, name }: Scene): Promise<string> {
  const endMs = Date.now() + endsWithinMs
  let phase = 'none'
  while (Date.now() < endMs && !isTerminal(phase as never)) {
    const now = await world.kubectl('get', 'podmigration', name, '-o', 'jsonpath={.status.phase}')
    if (now.exitCode !== 0 && now.all.includes('NotFound')) return 'deleted'
    if (now.exitCode === 0) phase = now.stdout
    await sleep(500)
  }
  return phase
}

/** Nodes Ready, our own pods back, one pod that serves. */
async function comeToRest({ world, oracle }: Stage, scene: Scene): Promise<void> {
  await world.lab.waitApi()
  await world.kubectl('wait', '--for=condition=Ready', 'nodes', '--all', '--timeout=60s')
  await freshPods(world)
  await waitEligible(world.lab)
  const pod = await world.until('one pod that serves', async () => await servingPod(world), restWithinMs)
  oracle.tell({ direct: pod.status?.podIP ?? '', service: await world.serviceAddress(chaosApp) })
  await world.remove('podmigration', scene.name)
}

async function servingPod(world: World): Promise<V1Pod | false> {
  const all = await world.list<V1Pod>('pods', '-l', `app=${chaosApp}`)
  const [pod, ...others] = all
  return pod !== undefined && others.length === 0 && (pod.status?.containerStatuses?.every(({ ready }) => ready) ?? false) && pod
}

function homeOf(pod: V1Pod): string {
  const index = Number(pod.status?.podIP?.split('.')[2])
  return hostOf(index).name
}
