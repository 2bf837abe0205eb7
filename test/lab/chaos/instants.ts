// When a trouble strikes: a record in a journal (and some milliseconds later), or milliseconds after the migration was created.
import { setTimeout as sleep } from 'node:timers/promises'
import { isTerminal, type Phase, phases } from '../../../src/api/phases.ts'
import type { Dice } from '../../sim/dice.ts'
import { type Instant as JournalInstant, untilInstant } from '../product/journals.ts'
import type { Scene } from './scene.ts'

export type Instant =
  | { side: 'source' | 'destination'; record: JournalInstant; delayMs: number }
  | { side: 'controller'; phase: Phase; delayMs: number }
  | { side: 'clock'; delayMs: number }

const sourceRecords: JournalInstant[] = [
  'opened',
  'state:moving',
  'step:presync',
  'state:frozen',
  'step:diverted',
  'step:frozen',
  'step:locked',
  'step:dumped',
  'step:transferred',
  'step:verified',
  'state:granted',
  'state:committed',
  'state:finished',
]
const destinationRecords: JournalInstant[] = [
  'opened',
  'state:standing',
  'state:holding',
  'step:held',
  'state:restoring',
  'step:restored',
  'state:held',
  'state:committed',
  'step:socketsLive',
  'step:released',
  'step:resumed',
  'state:live',
]
/** Before the agents know of the move, and after they have done their part. */
const drawnPhases: Phase[] = ['Validating', 'SocketInventory', 'DestinationPrewarm', 'TCPVerifying', 'ServiceVerifying', 'CutoverComplete']

const longestDelayMs = 80
const longestClockMs = 6000

export function drawInstant(dice: Dice): Instant {
  const kind = dice.next()
  const delayMs = dice.chance(0.5) ? 0 : dice.integer(1, longestDelayMs)
  if (kind < 0.4) return { side: 'source', record: dice.pick(sourceRecords), delayMs }
  if (kind < 0.75) return { side: 'destination', record: dice.pick(destinationRecords), delayMs }
  if (kind < 0.85) return { side: 'controller', phase: dice.pick(drawnPhases), delayMs }
  return { side: 'clock', delayMs: dice.integer(0, longestClockMs) }
}

export function describeInstant(instant: Instant): string {
  if (instant.side === 'clock') return `${instant.delayMs} ms after its creation`
  const what = instant.side === 'controller' ? `phase ${instant.phase}` : `${instant.record} of the ${instant.side}`
  return instant.delayMs > 0 ? `${what} + ${instant.delayMs} ms` : what
}

/** False: the migration ended without it. */
export async function untilStruck(scene: Scene, instant: Instant, ended: AbortSignal): Promise<boolean> {
  const came = await untilBegun(scene, instant, ended)
  if (came) await sleep(instant.delayMs)
  return came
}

async function untilBegun(scene: Scene, instant: Instant, ended: AbortSignal): Promise<boolean> {
  if (instant.side === 'clock') return true
  if (instant.side === 'controller') return await untilPhase(scene, instant.phase, ended)
  return await untilInstant(scene[instant.side], scene.uid, instant.record, ended)
}

/** It, or one after it: some last for less than it takes to ask. */
async function untilPhase({ world, name }: Scene, phase: Phase, ended: AbortSignal): Promise<boolean> {
  const wanted = phases.indexOf(phase)
  while (!ended.aborted) {
    const now = await world.kubectl('get', 'podmigration', name, '-o', 'jsonpath={.status.phase}')
    if (isTerminal(now.stdout as Phase)) return false
    if (phases.indexOf(now.stdout as Phase) >= wanted) return true
    if (now.exitCode !== 0) await sleep(200)
  }
  return false
}
