// What a client sees of a move that goes back, from each phase: makes the table of docs/protocol.md (`make rollbacks`).
import { setTimeout as sleep } from 'node:timers/promises'
import { isTerminal, type Phase } from '../../../src/api/phases.ts'
import { Dice } from '../../sim/dice.ts'
import { journalOf } from '../product/journals.ts'
import { findOn } from '../product/victims.ts'
import type { World } from '../product/world.ts'
import { committedOn } from './copies.ts'
import { describeInstant, type Instant, untilStruck } from './instants.ts'
import { Oracle } from './oracle.ts'
import { beginMove, type Scene } from './scene.ts'
import { isAgent } from './troubles/kill.ts'
import { resetAgents } from './troubles/wire.ts'
import { chaosApp, chaosManifests } from './workload.ts'

export const rollbackBudgetMs = 1000
/** A move that was too quick for the trouble went through: it is tried again. */
const tries = 4
/** Kubelet's patience with a destination pod whose container does not end is twice that. */
const endsWithinMs = 30_000

interface Way {
  phase: string
  instant: Instant
  /** `deleted`: the PodMigration; `reset`: all connections between the agents, for a moment. */
  by: 'deleted' | 'reset'
}

export interface Row extends Way {
  phaseAtEnd: string
  /** What the source had done by then. */
  reached: string
  pauseMs: number
  errors: number
}

const at = (side: 'source' | 'destination', record: `state:${string}` | `step:${string}`): Instant => ({ side, record, delayMs: 0 })
const inPhase = (phase: Phase): Instant => ({ side: 'controller', phase, delayMs: 0 })

export const ways: readonly Way[] = [
  { phase: 'Pending', instant: { side: 'clock', delayMs: 0 }, by: 'deleted' },
  { phase: 'Validating', instant: inPhase('Validating'), by: 'deleted' },
  { phase: 'SocketInventory', instant: inPhase('SocketInventory'), by: 'deleted' },
  { phase: 'DestinationPrewarm', instant: inPhase('DestinationPrewarm'), by: 'deleted' },
  { phase: 'PreCopyMemory (rounds)', instant: at('source', 'state:moving'), by: 'reset' },
  { phase: 'ZeroWindowArm', instant: at('source', 'state:frozen'), by: 'reset' },
  { phase: 'OverlayHandoff', instant: at('source', 'step:diverted'), by: 'reset' },
  { phase: 'FinalFreeze', instant: at('source', 'step:frozen'), by: 'reset' },
  { phase: 'StateCapture', instant: at('source', 'step:locked'), by: 'reset' },
  { phase: 'Transferring', instant: at('source', 'step:dumped'), by: 'reset' },
  { phase: 'Restoring', instant: at('destination', 'state:restoring'), by: 'reset' },
  { phase: 'RestoreSocketReattach', instant: at('destination', 'step:restored'), by: 'reset' },
]

export async function measureRollbacks(world: World, say: (line: string) => void): Promise<Row[]> {
  await world.apply(chaosManifests())
  const pod = await world.pod(chaosApp)
  const oracle = Oracle.start(world.lab, { direct: pod.status?.podIP ?? '', service: await world.serviceAddress(chaosApp) })
  const rows: Row[] = []
  try {
    await world.until('all connections', async () => (await oracle.look()).open === 8)
    for (const way of ways) {
      rows.push(await goBack(world, oracle, way))
      say(asLine(rows.at(-1) as Row))
    }
    return rows
  } finally {
    await oracle.end()
    await world.remove(`deployment/${chaosApp}`, `service/${chaosApp}`)
    await world.remove('podmigrations', '--all')
  }
}

async function goBack(world: World, oracle: Oracle, way: Way): Promise<Row> {
  for (let attempt = 1; ; attempt++) {
    const row = await attemptOne(world, oracle, way)
    if (row.phaseAtEnd !== 'Complete' || attempt === tries) return row
  }
}

async function attemptOne(world: World, oracle: Oracle, way: Way): Promise<Row> {
  const scene = await beginMove(world, await world.pod(chaosApp), new Dice(1), { spec: { freezeWindowBudgetMs: rollbackBudgetMs } })
  await oracle.look()
  const over = new AbortController()
  const striking = strike(scene, way, over.signal)
  const phaseAtEnd = await untilEnded(scene).finally(() => over.abort())
  await striking
  await world.pod(chaosApp)
  await sleep(1500)
  const { worstMs, waitingMs, ended, wrong } = await oracle.look()
  const reached = reachedIn(journalOf(scene.source, scene.uid))
  const phase = committedOn(scene.destination, scene.uid) ? 'Complete' : phaseAtEnd
  return { ...way, phaseAtEnd: phase, reached, pauseMs: Math.max(worstMs, waitingMs), errors: ended.length + wrong.length }
}

async function strike(scene: Scene, { instant, by }: Way, over: AbortSignal): Promise<void> {
  const agents = instant.side === 'source' || instant.side === 'destination' ? findOn(scene[instant.side], isAgent) : []
  if (!(await untilStruck(scene, instant, over))) return
  if (by === 'deleted') await scene.world.kubectl('delete', 'podmigration', scene.name, '--wait=false')
  else
    await (
      await resetAgents(
        scene,
        agents.map(({ pid }) => pid),
      )
    ).undo?.()
}

async function untilEnded({ world, name }: Scene): Promise<string> {
  const endMs = Date.now() + endsWithinMs
  while (Date.now() < endMs) {
    const now = await world.kubectl('get', 'podmigration', name, '-o', 'jsonpath={.status.phase}')
    if (now.all.includes('NotFound')) return 'deleted'
    if (isTerminal(now.stdout as never)) return now.stdout
    await sleep(200)
  }
  return 'no end'
}

/** The last step before the way back. */
function reachedIn(journal: string): string {
  const steps = [...journal.matchAll(/"type":"(?:step|state)".*?"(?:step|state)":"(\w+)"/g)].map((match) => match[1] ?? '')
  const back = steps.findIndex((step) => step === 'aborted')
  return steps.slice(0, back < 0 ? undefined : back).at(-1) ?? 'not told to move'
}

export function asLine({ phase, by, instant, reached, pauseMs, errors }: Row): string {
  const how = by === 'deleted' ? 'PodMigration deleted' : 'connections between the agents reset'
  return `| ${phase} | ${how} at ${describeInstant(instant)} | ${reached} | ${pauseMs} ms | ${errors} |`
}
