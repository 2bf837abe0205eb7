// Which pods a policy may move in this cycle.
import type { V1Pod } from '@kubernetes/client-node'
import type { MigrationPolicy } from '../api/migration-policy.ts'
import { annotations, runtimeClassName } from '../api/names.ts'
import type { PodMigration, Refusal } from '../api/pod-migration.ts'
import { podKey } from '../extender/requests.ts'
import { isOpen, migrationKey } from '../extender/reservations.ts'
import { restingPods } from './cooldown.ts'
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

export function candidatesOf(question: CandidateQuestion): V1Pod[] {
  const { policy, policies, migrations, namespaceLabels, nowMs } = question
  const moving = podsInMoves(migrations)
  const resting = restingPods(migrations, policy.spec.cooldownSeconds, nowMs)
  const budgetMs = policy.spec.defaults?.freezeWindowBudgetMs
  return question.pods.filter(
    (pod) =>
      pod.spec?.runtimeClassName === runtimeClassName &&
      pod.metadata?.annotations?.[stockPreference] === undefined &&
      !moving.has(podKey(pod)) &&
      !moving.has(pod.metadata?.annotations?.[annotations.migrationName] ?? '') &&
      !resting.has(pod.metadata?.uid ?? '') &&
      policyOfPod(pod, policies, namespaceLabels.get(pod.metadata?.namespace ?? '') ?? {})?.metadata.name === policy.metadata.name &&
      question.refusalsOf(pod, budgetMs).length === 0,
  )
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
