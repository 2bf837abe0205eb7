// How many moves may be under way at once, and how many a policy may start in an hour.
import type { MigrationPolicySpec } from '../api/migration-policy.ts'
import type { PodMigration } from '../api/pod-migration.ts'
import { isOpen } from '../extender/reservations.ts'

type Budgets = MigrationPolicySpec['budgets']

export interface Move {
  namespace: string
  fromNode: string
  toNode: string
}

const hourMs = 3_600_000

/** Counts all open moves, whoever wished for them: a drain and a policy share the nodes' links. */
export class BudgetLedger {
  readonly #budgets: Budgets
  #cluster = 0
  #startedLastHour = 0
  readonly #byNamespace = new Map<string, number>()
  readonly #outbound = new Map<string, number>()
  readonly #inbound = new Map<string, number>()

  constructor(budgets: Budgets, policyName: string, migrations: readonly PodMigration[], nowMs: number) {
    this.#budgets = budgets
    for (const migration of migrations) {
      if (migration.spec.dryRun) continue
      if (isOpen(migration)) this.#count(moveOf(migration))
      const createdMs = Date.parse(migration.metadata.creationTimestamp ?? '')
      if (migration.spec.migrationPolicyRef?.name === policyName && nowMs - createdMs < hourMs) this.#startedLastHour++
    }
  }

  /** The name of the budget that the move would break; undefined: none. */
  broken(move: Move): keyof Budgets | undefined {
    const budgets = this.#budgets
    if (this.#cluster >= budgets.inFlightCluster) return 'inFlightCluster'
    if (this.#startedLastHour >= budgets.perHour) return 'perHour'
    if (countIn(this.#byNamespace, move.namespace) >= budgets.inFlightPerNamespace) return 'inFlightPerNamespace'
    if (countIn(this.#outbound, move.fromNode) >= budgets.outboundPerNode) return 'outboundPerNode'
    if (countIn(this.#inbound, move.toNode) >= budgets.inboundPerNode) return 'inboundPerNode'
    return undefined
  }

  spend(move: Move): void {
    this.#count(move)
    this.#startedLastHour++
  }

  #count(move: Move): void {
    this.#cluster++
    for (const [counts, key] of [
      [this.#byNamespace, move.namespace],
      [this.#outbound, move.fromNode],
      [this.#inbound, move.toNode],
    ] as const)
      if (key) counts.set(key, countIn(counts, key) + 1)
  }
}

function countIn(counts: ReadonlyMap<string, number>, key: string): number {
  return counts.get(key) ?? 0
}

function moveOf({ spec, status }: PodMigration): Move {
  return {
    namespace: spec.podNamespace,
    fromNode: status?.sourceNode ?? '',
    toNode: status?.destinationNode ?? status?.reservation?.nodeName ?? spec.targetNodeName ?? '',
  }
}
