// What becomes of the pods that a stock policy chooses: ours are moved live where they can be, others are evicted as that policy says. Pure.
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import { runtimeClassName } from '../api/names.ts'
import type { NodeMigrationCapacity } from '../api/node-migration-capacity.ts'
import type { PodMigration } from '../api/pod-migration.ts'
import { podKey } from '../extender/requests.ts'
import { isOpen } from '../extender/reservations.ts'
import type { CandidateQuestion } from './candidates.ts'
import { type PlacedVictim, placeVictims } from './destinations.ts'
import type { Problem } from './policy-text/problems.ts'
import type { StockPolicy } from './policy-text/stock-policy.ts'
import type { ClusterFacts } from './stock/cluster.ts'
import { runStockPolicy } from './stock/run-policy.ts'

export interface StockPicture extends ClusterFacts {
  nodes: readonly V1Node[]
  pods: readonly V1Pod[]
  capacities: readonly NodeMigrationCapacity[]
  migrations: readonly PodMigration[]
}

export interface StockAction {
  victim: PlacedVictim
  /** `Leave`: it is ours and has no place now, or is in a move already. */
  action: 'Move' | 'Evict' | 'Leave'
}

export function stockActions(
  policy: StockPolicy,
  picture: StockPicture,
  refusalsOf: CandidateQuestion['refusalsOf'],
  nowMs: number,
): { actions: StockAction[]; notes: string[] } | { problems: Problem[] } {
  const outcome = runStockPolicy(policy, picture, nowMs)
  if ('problems' in outcome) return outcome
  const moving = new Set(picture.migrations.filter(isOpen).map(({ spec }) => `${spec.podNamespace}/${spec.podName}`))
  const actions = placeVictims(outcome.victims, { ...picture, nowMs }).map((victim): StockAction => {
    const isOurs = victim.pod.spec?.runtimeClassName === runtimeClassName
    if (!isOurs || refusalsOf(victim.pod).length > 0) return { victim, action: 'Evict' }
    return { victim, action: victim.destination === undefined || moving.has(podKey(victim.pod)) ? 'Leave' : 'Move' }
  })
  return { actions, notes: outcome.notes }
}
