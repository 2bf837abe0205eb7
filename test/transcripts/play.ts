// Plays a whole move in the small world and writes it down, one line a change, as people would tell it.

import type { PodMigrationStatus } from '../../src/api/pod-migration.ts'
import type { Decided, Effect } from '../../src/migrator/decision.ts'
import { startMs, type World } from '../migrator/world.ts'

export type Happening = { when: (world: World) => boolean; what: string; then: (world: World) => void }

const longestMove = 2000

export function play(world: World, happenings: readonly Happening[] = []): string {
  const waiting = [...happenings]
  const lines: string[] = []
  for (let count = 0; count < longestMove; count++) {
    const next = waiting.findIndex(({ when }) => when(world))
    if (next >= 0) {
      const [happening] = waiting.splice(next, 1)
      happening?.then(world)
      lines.push(`${clock(world)} * ${happening?.what}`)
    }
    const before = world.migration.status ?? {}
    const at = clock(world)
    const decision = world.pass()
    lines.push(...tell(at, before, decision))
    if (decision.requeueAfterMs === undefined && decision.effects.length === 0) return `${dedupe(lines).join('\n')}\n`
  }
  throw new Error(`the move did not end within ${longestMove} passes:\n${dedupe(lines).slice(-20).join('\n')}`)
}

function clock(world: World): string {
  return `${((world.nowMs - startMs) / 1000).toFixed(3).padStart(8)}s`
}

function tell(at: string, before: PodMigrationStatus, { status, news, effects }: Decided): string[] {
  const lines: string[] = []
  if (status.phase !== before.phase) lines.push(`${at} ${status.phase}`)
  if (status.message !== before.message) lines.push(`${at}   ${status.message}`)
  for (const condition of status.conditions ?? []) {
    const old = before.conditions?.find(({ type }) => type === condition.type)
    if (old?.status !== condition.status || old.reason !== condition.reason)
      lines.push(`${at}   ? ${condition.type} ${condition.status} ${condition.reason}`)
  }
  return [...lines, ...[...news, ...effects].map((effect) => `${at}   > ${tellEffect(effect)}`)]
}

function tellEffect(effect: Effect): string {
  switch (effect.kind) {
    case 'awaitDestination':
      return `await ${effect.request.pod.name} on ${effect.nodeName}`
    case 'createDestinationPod':
      return `create pod ${effect.pod.metadata?.name}`
    case 'startMove':
      return `move, told to ${effect.nodeName}`
    case 'abort':
      return `abort on ${effect.nodeName}: ${effect.reason}`
    case 'finish':
      return `finish ${effect.outcome} on ${effect.nodeName}`
    case 'resolve':
      return `resolve ${effect.verdict} on ${effect.nodeName}`
    case 'deletePod':
      return `delete pod ${effect.pod.name}`
    case 'patchPod':
      return `patch pod ${effect.pod.name}: ${JSON.stringify(effect.patch.metadata)}`
    case 'event':
      return `event ${effect.type} ${effect.reason}`
    default:
      return effect.kind
  }
}

/** The same line again and again is a wait. */
function dedupe(lines: readonly string[]): string[] {
  const text = (line: string | undefined) => line?.slice(line.indexOf('s ') + 1)
  return lines.filter((line, index) => text(line) !== text(lines[index - 1]))
}
