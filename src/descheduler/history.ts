// What former moves teach: who was moved how often, where it came from, what failed where, what came to nothing. Pure.
import type { PodMigration } from '../api/pod-migration.ts'

const hourMs = 3_600_000
/** A move is undone when the pod is back within this time: then it was not worth its freeze. */
const undoneWithinMs = hourMs
const firstBackOffMs = 5 * 60_000
const longestBackOffMs = 6 * hourMs

interface Done {
  uid: string
  newUid: string
  fromNode: string
  toNode: string
  endedMs: number
}

export class MoveHistory {
  readonly #nowMs: number
  readonly #done: Done[] = []
  /** A move gives the pod a new UID: the move that made this one. */
  readonly #madeBy = new Map<string, Done>()
  readonly #failures = new Map<string, { count: number; lastMs: number }>()

  constructor(migrations: readonly PodMigration[], nowMs: number) {
    this.#nowMs = nowMs
    for (const migration of migrations) if (!migration.spec.dryRun) this.#add(migration)
  }

  /** Ended moves of the pod under all its UIDs. */
  countMoves(uid: string, withinMs = hourMs): number {
    return this.#movesOf(uid).filter((move) => this.#isWithin(move, withinMs)).length
  }

  /** Nodes that the pod left a short while ago: to go back there would undo that move. */
  wasOn(uid: string, nodeName: string): boolean {
    return this.#movesOf(uid).some(({ fromNode, endedMs }) => fromNode === nodeName && this.#nowMs - endedMs < undoneWithinMs)
  }

  /** Twice the time after each failure of this pod on this node. */
  backsOff(uid: string, nodeName: string): boolean {
    const failure = this.#failures.get(pairOf(uid, nodeName))
    if (!failure) return false
    const waitMs = Math.min(longestBackOffMs, firstBackOffMs * 2 ** (failure.count - 1))
    return this.#nowMs - failure.lastMs < waitMs
  }

  hasReceived(nodeName: string, withinMs: number): boolean {
    return this.#done.some((move) => move.toNode === nodeName && this.#isWithin(move, withinMs))
  }

  hasGiven(nodeName: string, withinMs: number): boolean {
    return this.#done.some((move) => move.fromNode === nodeName && this.#isWithin(move, withinMs))
  }

  /** Moves that brought a pod back to where it had been within the hour before. */
  countUndone(withinMs = 24 * hourMs): number {
    return this.#done.filter((move) => this.#isWithin(move, withinMs) && this.#undoes(move)).length
  }

  #undoes(move: Done): boolean {
    return this.#movesOf(move.uid).some(({ fromNode, endedMs }) => fromNode === move.toNode && move.endedMs - endedMs < undoneWithinMs)
  }

  #movesOf(uid: string): Done[] {
    const moves: Done[] = []
    const seen = new Set<string>()
    for (let move = this.#madeBy.get(uid); move && !seen.has(move.newUid); move = this.#madeBy.get(move.uid)) {
      seen.add(move.newUid)
      moves.push(move)
    }
    return moves
  }

  #isWithin({ endedMs }: Done, withinMs: number): boolean {
    return this.#nowMs - endedMs < withinMs
  }

  #add({ spec, status }: PodMigration): void {
    const endedMs = Date.parse(status?.completedAt ?? '')
    const uid = status?.sourcePodUID ?? spec.sourcePodUID ?? ''
    const toNode = status?.destinationNode ?? ''
    if (!Number.isFinite(endedMs) || !uid || !toNode) return
    if (status?.phase === 'Failed' || status?.phase === 'RolledBack') this.#fail(pairOf(uid, toNode), endedMs)
    if (status?.phase !== 'Complete') return
    const move = { uid, newUid: status.destinationPodUID ?? '', fromNode: status.sourceNode ?? '', toNode, endedMs }
    this.#done.push(move)
    if (move.newUid) this.#madeBy.set(move.newUid, move)
  }

  #fail(pair: string, atMs: number): void {
    const former = this.#failures.get(pair)
    this.#failures.set(pair, { count: (former?.count ?? 0) + 1, lastMs: Math.max(atMs, former?.lastMs ?? 0) })
  }
}

function pairOf(uid: string, nodeName: string): string {
  return `${uid} ${nodeName}`
}
