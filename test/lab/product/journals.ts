// Watches an agent's journal on its node's disk, so that a test can act at a chosen instant of a move.
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Machine } from '../machine.ts'

/** A state (`state:held`), a step (`step:frozen`), or `opened`. */
export type Instant = 'opened' | `state:${string}` | `step:${string}`

export function journalOf(node: Machine, uid: string): string {
  try {
    return readFileSync(`${folderOn(node)}/${uid}.jsonl`, 'utf8')
  } catch {
    return ''
  }
}

/** False: the move ended, or time passed, without that instant. */
export async function untilInstant(node: Machine, uid: string, instant: Instant, signal: AbortSignal): Promise<boolean> {
  const wanted = wantedText(instant)
  while (!signal.aborted) {
    if (journalOf(node, uid).includes(wanted)) return true
    await sleep(1)
  }
  return false
}

function wantedText(instant: Instant): string {
  const [kind, value] = instant.split(':')
  return value === undefined ? '"type":"opened"' : `"${kind}":"${value}"`
}

function folderOn(node: Machine): string {
  return `/proc/${node.pid}/root/var/lib/podmotion/journal`
}
