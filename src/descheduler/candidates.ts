// Which pods a policy may move in this cycle.
import type { V1Pod } from '@kubernetes/client-node'
import type { MigrationPolicy } from '../api/migration-policy.ts'
import { annotations, runtimeClassName } from '../api/names.ts'
import type { PodMigration, Refusal } from '../api/pod-migration.ts'
import { podKey } from '../extender/requests.ts'
import { isOpen, migrationKey } from '../extender/reservations.ts'
import { restingPods } from './cooldown.ts'
import { MoveHistory } from './history.ts'
import type { NamespaceLabels } from './namespaces.ts'
import { policyOfPod } from './policy-of-pod.ts'

export interface CandidateQuestion {
  policy: MigrationPolicy
  policies: readonly MigrationPolicy[]
  pods: readonly V1Pod[]
  migrations: readonly PodMigration[]
  namespaceLabels: ReadonlyMap<string, NamespaceLabels>
  refusalsOf: (pod: V1Pod, freezeWindowBudgetMs?: number) => readonly Refusal[]
  nowMs: number
}

const stockPreference = 'descheduler.alpha.kubernetes.io/prefer-no-eviction'

export interface Candidates {
  movable: V1Pod[]
  /** Pods of the policy that cannot be moved live, where it says that such pods are evicted. */
  evictable: V1Pod[]
}

export function candidatesOf(question: CandidateQuestion): Candidates {
  const { policy, policies, namespaceLabels } = question
  const isResting = restingRule(question)
  const budgetMs = policy.spec.defaults?.freezeWindowBudgetMs
  const evicts = policy.spec.onUnmovable === 'Evict'
  const candidates: Candidates = { movable: [], evictable: [] }
  for (const pod of question.pods) {
    const isOurs = pod.spec?.runtimeClassName === runtimeClassName
    if (!isOurs && !evicts) continue
    if (pod.metadata?.annotations?.[stockPreference] !== undefined || isResting(pod)) continue
    const labels = namespaceLabels.get(pod.metadata?.namespace ?? '') ?? {}
    if (policyOfPod(pod, policies, labels)?.metadata.name !== policy.metadata.name) continue
    if (isOurs && question.refusalsOf(pod, budgetMs).length === 0) candidates.movable.push(pod)
    else if (evicts) candidates.evictable.push(pod)
  }
  return candidates
}

/** Pods in a move, pods that were moved a short while ago, and those that were moved too often. */
function restingRule({ policy, migrations, nowMs }: CandidateQuestion): (pod: V1Pod) => boolean {
  const moving = podsInMoves(migrations)
  const resting = restingPods(migrations, policy.spec.cooldownSeconds, nowMs)
  const history = new MoveHistory(migrations, nowMs)
  return (pod) => {
    const uid = pod.metadata?.uid ?? ''
    return (
      moving.has(podKey(pod)) ||
      moving.has(pod.metadata?.annotations?.[annotations.migrationName] ?? '') ||
      resting.has(uid) ||
      history.countMoves(uid) >= policy.spec.maxMovesPerPodPerHour
    )
  }
}

/** Keys of the pods that leave, and of the migrations whose destination pods arrive. */
function podsInMoves(migrations: readonly PodMigration[]): Set<string> {
  const keys = new Set<string>()
  for (const migration of migrations) {
    if (!isOpen(migration) || migration.spec.dryRun) continue
    keys.add(`${migration.spec.podNamespace}/${migration.spec.podName}`)
    keys.add(migrationKey(migration))
  }
  return keys
}
