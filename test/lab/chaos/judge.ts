// Is a chaos move's end as promised? One copy that runs and answers, nothing lost or doubled, and connections that ended only where they may.
import type { Seen } from './oracle.ts'
import type { Scene, Struck } from './scene.ts'

/** Who carried the connections, and what became of them. */
export interface Carried {
  scene: Scene
  struck: Struck
  committed: boolean
  /** Home of the pod's address, whose node routes for it. */
  homeNode: string
}

export interface Outcome extends Carried {
  /** How long the trouble lasted, its undoing included. */
  troubleMs: number
  seen: Seen
  copies: string[]
  /** What the source did after the commit. */
  livedOn: string[]
  left: string[]
  /** By the source's own journal, after its grant. */
  resolvedAsGone: boolean
  /** `step` and `state` records that the journals had when the trouble struck. */
  at: { source: string; destination: string }
}

const budgetMs = 5000
const slackMs = 5000
const restartMs = 10_000
/** The client's ways through the cluster begin at this node's kube-proxy. */
const serviceNode = 'node-1'

export const freezeWindowBudgetMs = budgetMs

export function wrongWith(outcome: Outcome): string[] {
  const { seen, copies, livedOn, left, resolvedAsGone } = outcome
  return [
    ...seen.wrong,
    // Told that the destination is gone for good the source goes on, whatever that wrote into its journal in its last moment.
    ...(resolvedAsGone ? [] : livedOn),
    ...(copies.length === 1 && !copies[0]?.includes('frozen') ? [] : [`copies that run: ${copies.join(', ') || 'none'}`]),
    ...seen.ended
      .filter(({ kind }) => !mayEnd(outcome, kind))
      .map((one) => `a connection (${one.kind}) ended: ${one.error} after a wait of ${one.waitedMs} ms`),
    ...tooLong(outcome),
    ...left.map((line) => `left behind: ${line}`),
  ]
}

/** Frozen for longer than the budget and five seconds after the broken part was whole again. */
function tooLong({ seen, troubleMs, scene, struck }: Outcome): string[] {
  const allowedMs = troubleMs + budgetMs + slackMs
  // A program that crashed is started anew, and its clients are told by a reset at the latest when they ask again.
  const longestMs = mayCrash(struck) ? seen.waitingMs - restartMs : Math.max(seen.worstMs, seen.waitingMs)
  if (longestMs <= allowedMs) return []
  return [`somebody waited ${longestMs} ms for an answer, allowed are ${Math.round(allowedMs)} (${scene.name})`]
}

function mayEnd(outcome: Outcome, kind: 'direct' | 'service'): boolean {
  return endedByNode(outcome, kind) || endedByPerson(outcome) || endedWithItsPrograms(outcome)
}

/** The node that carried it was destroyed: where the pod was, its address's home, and the one whose kube-proxy the client uses. */
export function endedByNode({ scene, struck, committed, homeNode }: Carried, kind: 'direct' | 'service'): boolean {
  const carriers = [scene.source.name, homeNode]
  if (committed) carriers.push(scene.destination.name)
  if (kind === 'service') carriers.push(serviceNode)
  return (struck.destroyed ?? []).some((name) => carriers.includes(name))
}

/** Somebody deleted the pod that was the living one. */
function endedByPerson({ struck, committed }: Outcome): boolean {
  return struck.deleted === (committed ? 'destination' : 'source')
}

/** criu inside the source's threads (docs/decisions/0005), and from the commit to the end of the restore the pod's parents and its memory. */
function endedWithItsPrograms({ struck, at }: Outcome): boolean {
  if (struck.killed === 'sourceDump') return at.source.includes('"step":"locked"') && !at.source.includes('"step":"dumped"')
  return struck.killed === 'destinationRestore' && at.destination.includes('"state":"committed"')
}

function mayCrash({ killed, destroyed, deleted }: Struck): boolean {
  return killed !== undefined || destroyed !== undefined || deleted !== undefined
}
