// Where may a pod go in this cycle: the extender's ranking, within the policy's budgets and what former moves teach. Pure.
import type { V1Pod } from '@kubernetes/client-node'
import type { MigrationPolicySpec } from '../api/migration-policy.ts'
import type { ClusterIndex } from '../extender/cluster-index.ts'
import { rankOn } from '../extender/rank.ts'
import { podKey, podRequests } from '../extender/requests.ts'
import type { BudgetLedger } from './budgets.ts'
import type { MoveHistory } from './history.ts'

export interface PlacementInput {
  /** Changed by planning: planned moves reserve their room in it. Give it a copy of your own. */
  index: ClusterIndex
  ledger: BudgetLedger
  history: MoveHistory
  spec: Pick<MigrationPolicySpec, 'nodeCooldownSeconds'>
  nowMs: number
  /** UIDs of pods that cannot be moved live and that the policy evicts: they are scheduled anew, wherever. */
  evicted: ReadonlySet<string>
}

export type Place = { toNode: string } | { left: string }

export class Placement {
  readonly #input: PlacementInput

  constructor(input: PlacementInput) {
    this.#input = input
  }

  isEvicted(pod: V1Pod): boolean {
    return this.#input.evicted.has(pod.metadata?.uid ?? '')
  }

  /** What is cheap to ask goes first: ranking looks at everything. */
  find(pod: V1Pod, names: readonly string[]): Place {
    const [namespace, fromNode] = [pod.metadata?.namespace ?? '', pod.spec?.nodeName ?? '']
    const { ledger } = this.#input
    const allowed = names.filter((toNode) => toNode !== fromNode && this.#objection(pod, toNode) === undefined)
    if (allowed.length === 0) return { left: this.#whyNone(pod, names) }
    const affordable = allowed.filter((toNode) => !ledger.broken({ namespace, fromNode, toNode }))
    if (affordable.length === 0) return { left: `budget ${ledger.broken({ namespace, fromNode, toNode: allowed[0] ?? '' })}` }
    if (this.isEvicted(pod)) return { toNode: '' }
    const [best] = rankOn(this.#input.index, pod, { sourceNodeName: fromNode, nowMs: this.#input.nowMs, names: affordable })
    if (best?.fits) return { toNode: best.nodeName }
    return { left: `no destination fits (${best?.reasons.map(({ code }) => code).join(', ') || 'none is known'})` }
  }

  /** Keeps the room, and counts it in the budgets. */
  accept(pod: V1Pod, toNode: string): void {
    const key = podKey(pod)
    const [namespace, fromNode] = [pod.metadata?.namespace ?? '', pod.spec?.nodeName ?? '']
    this.#input.ledger.spend({ namespace, fromNode, toNode })
    if (toNode === '') return
    this.#input.index.moves.reserve({ migrationKey: `planned/${key}`, sourcePodKey: key, nodeName: toNode, amounts: podRequests(pod) })
  }

  #objection(pod: V1Pod, toNode: string): string | undefined {
    const { history, spec } = this.#input
    const uid = pod.metadata?.uid ?? ''
    if (history.wasOn(uid, toNode)) return 'it left that node less than an hour ago'
    if (history.backsOff(uid, toNode)) return 'its last move there failed, it waits'
    if (history.hasGiven(toNode, spec.nodeCooldownSeconds * 1000)) return 'the destination gave pods away a short while ago'
    return undefined
  }

  #whyNone(pod: V1Pod, names: readonly string[]): string {
    const objections = names.map((name) => this.#objection(pod, name)).filter((one) => one !== undefined)
    return objections[0] ?? 'there is no destination'
  }
}
