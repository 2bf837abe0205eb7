// The migrations as the extender sees them: the room that open ones keep, who is leaving, and where moves failed.
import type { PodMigration } from '../api/pod-migration.ts'
import type { NodeFacts, NodeTable } from './node-facts.ts'
import { type Amounts, addAmounts } from './requests.ts'
import { migrationKey, type Reservation, reservationOf } from './reservations.ts'

export interface MigrationFacts {
  migration: PodMigration
  reservation: Reservation | undefined
}

interface Asks {
  podKey: string
  migrationKey?: string | undefined
}

export class OpenMoves {
  readonly #nodes: NodeTable
  readonly #migrations = new Map<string, MigrationFacts>()
  #reservationCount = 0
  /** Pods with an open move, and which: more than one only while one ends and the next begins. */
  readonly #leaving = new Map<string, Set<string>>()
  readonly #failuresByNode = new Map<string, Map<string, number>>()

  constructor(nodes: NodeTable) {
    this.#nodes = nodes
  }

  /** Answers the question that ordinary pods ask most with one look-up. */
  get hasReservations(): boolean {
    return this.#reservationCount > 0
  }

  migration(key: string): MigrationFacts | undefined {
    return this.#migrations.get(key)
  }

  set(migration: PodMigration): void {
    const key = migrationKey(migration)
    this.delete(key)
    const reservation = reservationOf(migration)
    this.#migrations.set(key, { migration, reservation })
    if (reservation) this.reserve(reservation)
    if (reservation) this.#leaving.set(reservation.sourcePodKey, (this.#leaving.get(reservation.sourcePodKey) ?? new Set()).add(key))
    const failedAtMs = failureInstantMs(migration)
    const nodeName = migration.status?.destinationNode
    if (!nodeName || failedAtMs === undefined) return
    put(this.#failuresByNode, nodeName, key, failedAtMs)
    this.#nodes.take(nodeName).hasFailures = true
  }

  delete(key: string): void {
    const facts = this.#migrations.get(key)
    if (!facts) return
    this.#migrations.delete(key)
    if (facts.reservation) {
      if (this.#nodes.take(facts.reservation.nodeName).reservations.delete(key)) this.#reservationCount--
      const moves = this.#leaving.get(facts.reservation.sourcePodKey)
      moves?.delete(key)
      if (moves?.size === 0) this.#leaving.delete(facts.reservation.sourcePodKey)
    }
    const nodeName = facts.migration.status?.destinationNode
    if (!nodeName) return
    remove(this.#failuresByNode, nodeName, key)
    this.#nodes.take(nodeName).hasFailures = this.#failuresByNode.has(nodeName)
  }

  /** Also for moves that are only planned so far (the descheduler's cycle). */
  reserve(reservation: Reservation): void {
    const { reservations } = this.#nodes.take(reservation.nodeName)
    if (!reservations.has(reservation.migrationKey)) this.#reservationCount++
    reservations.set(reservation.migrationKey, reservation)
  }

  /** Room kept on the node for others than the pod that asks; a destination pod that is counted there already is not counted twice. */
  reserved(nodeName: string, asking: Asks): Amounts | undefined {
    const facts = this.#nodes.get(nodeName)
    if (!facts || facts.reservations.size === 0) return undefined
    const total: Record<string, number> = {}
    for (const [key, reservation] of facts.reservations) {
      if (facts.landed.has(key) || key === asking.migrationKey || reservation.sourcePodKey === asking.podKey) continue
      addAmounts(total, reservation.amounts)
    }
    return total
  }

  /** The same for one resource. */
  reservedOf(facts: NodeFacts, resource: string, asking: Asks): number {
    let total = 0
    for (const [key, reservation] of facts.reservations) {
      if (facts.landed.has(key) || key === asking.migrationKey || reservation.sourcePodKey === asking.podKey) continue
      total += reservation.amounts[resource] ?? 0
    }
    return total
  }

  /** The pod has room reserved elsewhere: a move of it is open. */
  isLeaving(key: string): boolean {
    return this.#leaving.has(key)
  }

  reservationsOn(nodeName: string): number {
    return this.#nodes.get(nodeName)?.reservations.size ?? 0
  }

  failuresSince(nodeName: string, sinceMs: number): number {
    let count = 0
    for (const atMs of this.#failuresByNode.get(nodeName)?.values() ?? []) if (atMs >= sinceMs) count++
    return count
  }
}

function failureInstantMs(migration: PodMigration): number | undefined {
  const { phase, completedAt } = migration.status ?? {}
  if (phase !== 'Failed' && phase !== 'RolledBack') return undefined
  return completedAt ? Date.parse(completedAt) : 0
}

function put<V>(outer: Map<string, Map<string, V>>, outerKey: string, key: string, value: V): void {
  const inner = outer.get(outerKey)
  if (inner) inner.set(key, value)
  else outer.set(outerKey, new Map([[key, value]]))
}

function remove<V>(outer: Map<string, Map<string, V>>, outerKey: string, key: string): void {
  const inner = outer.get(outerKey)
  inner?.delete(key)
  if (inner?.size === 0) outer.delete(outerKey)
}
