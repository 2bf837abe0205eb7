// What an eviction of one pod gets: allowed, "it is being moved, come back", "it is gone", or a move of its own. Pure.
import type { V1Pod } from '@kubernetes/client-node'
import type { MigrationWebhookConfig } from '../../api/migration-webhook-config.ts'
import { annotations, runtimeClassName } from '../../api/names.ts'
import type { PodMigration, Refusal } from '../../api/pod-migration.ts'
import { isOpen, migrationKey } from '../../extender/reservations.ts'
import type { NamespaceLabels } from '../namespaces.ts'
import { inScope, specificity } from '../scope.ts'
import { attemptsOf } from './attempts.ts'

export type EvictionDecision =
  | { verdict: 'allow'; why: string; warning?: string }
  | { verdict: 'deny'; code: 404 | 429; message: string }
  | { verdict: 'move'; migrationName: string; config: MigrationWebhookConfig }

export interface EvictionQuestion {
  pod: V1Pod
  /** deleteOptions.preconditions.uid of the eviction */
  expectedUid?: string | undefined
  migrations: readonly PodMigration[]
  configs: readonly MigrationWebhookConfig[]
  namespaceLabels: NamespaceLabels
  isCordoned: (nodeName: string) => boolean
  refusalsOf: (pod: V1Pod, freezeWindowBudgetMs: number) => readonly Refusal[]
  nowMs: number
}

// The stock descheduler and others look for these very words.
export const evacuationWords = 'Eviction triggered evacuation'

export function decideEviction(question: EvictionQuestion): EvictionDecision {
  const { pod, expectedUid } = question
  if (pod.spec?.runtimeClassName !== runtimeClassName) return allow('not under our RuntimeClass')
  if (expectedUid && expectedUid !== pod.metadata?.uid) return allow('meant another pod of that name: the API server refuses it itself')
  return (
    whenItHasMoved(question) ??
    whenItIsMoving(question) ??
    whenItReceives(question) ??
    whenNothingIsLost(question) ??
    whenItIsInScope(question) ??
    allow('in the scope of no MigrationWebhookConfig')
  )
}

/**
 * A source whose move is committed does not live there any more: to drain it is gone. That holds too for a pod which came from a cordoned
 * node under the same name (StatefulSet): drain gets the pod by name after each 429 and would evict it again from its new node.
 */
function whenItHasMoved(question: EvictionQuestion): EvictionDecision | undefined {
  const { pod, migrations, isCordoned } = question
  const left = migrations.find((migration) => isSource(migration, pod) && hasLeft(migration))
  if (left) return gone(pod, `it was moved to node ${left.status?.destinationNode ?? '?'} by PodMigration ${migrationKey(left)}`)
  const came = migrations.find(
    (migration) =>
      migration.status?.destinationPodUID === pod.metadata?.uid &&
      hasLeft(migration) &&
      migration.spec.podName === pod.metadata?.name &&
      isCordoned(migration.status?.sourceNode ?? '') &&
      !isCordoned(pod.spec?.nodeName ?? ''),
  )
  return came && gone(pod, `it left the cordoned node ${came.status?.sourceNode} by PodMigration ${migrationKey(came)}`)
}

function whenItIsMoving({ pod, migrations }: EvictionQuestion): EvictionDecision | undefined {
  const open = migrations.find((migration) => isOpen(migration) && !migration.spec.dryRun && isSource(migration, pod))
  if (!open) return undefined
  return wait(`${evacuationWords} of pod ${keyOf(pod)}: PodMigration ${migrationKey(open)} is in phase ${open.status?.phase ?? 'Pending'}`)
}

function whenItReceives({ pod, migrations }: EvictionQuestion): EvictionDecision | undefined {
  const name = pod.metadata?.annotations?.[annotations.migrationName]
  const open = migrations.find(
    (migration) => isOpen(migration) && (migration.status?.destinationPodUID === pod.metadata?.uid || migrationKey(migration) === name),
  )
  return (
    open && wait(`Evicting pod ${keyOf(pod)}: it is the destination of PodMigration ${migrationKey(open)}: try again when that has ended`)
  )
}

function whenNothingIsLost({ pod }: EvictionQuestion): EvictionDecision | undefined {
  // A terminating pod is allowed, not "gone": drain then waits until it really is.
  if (pod.metadata?.deletionTimestamp) return allow('it is being deleted already')
  if (pod.status?.phase !== 'Running') return allow(`it is ${pod.status?.phase ?? 'not started'}: nothing runs that could be moved`)
  return undefined
}

function whenItIsInScope(question: EvictionQuestion): EvictionDecision | undefined {
  const { pod, nowMs, migrations } = question
  const config = configFor(question)
  if (!config) return undefined
  const refusals = question.refusalsOf(pod, freezeBudgetMs(pod, config))
  if (refusals.some((refusal) => refusal.code === 'OptedOut')) return allow('it opted out')
  if (refusals.length > 0) return unmovable(config, pod, refusals.map(sentence).join('; '))
  const attempts = attemptsOf(pod.metadata?.uid ?? '', migrations, nowMs)
  if (attempts.waitMs > 0)
    return wait(
      `${evacuationWords} of pod ${keyOf(pod)}: move ${attempts.failed} failed (${attempts.lastReason}), the next starts in ${Math.ceil(attempts.waitMs / 1000)} s`,
    )
  return { verdict: 'move', migrationName: attempts.nextName, config }
}

function configFor({ pod, configs, namespaceLabels }: EvictionQuestion): MigrationWebhookConfig | undefined {
  return configs
    .filter((config) => inScope(config.spec, pod, namespaceLabels))
    .sort((one, other) => specificity(other.spec) - specificity(one.spec) || (one.metadata.name < other.metadata.name ? -1 : 1))[0]
}

/** The pod's own word goes first, where it is within what a PodMigration may carry. */
export function freezeBudgetMs(pod: V1Pod, config: MigrationWebhookConfig): number {
  const own = Number(pod.metadata?.annotations?.[annotations.freezeBudgetMs])
  return Number.isInteger(own) && own >= 50 && own <= 10_000 ? own : config.spec.freezeWindowBudgetMs
}

function unmovable(config: MigrationWebhookConfig, pod: V1Pod, why: string): EvictionDecision {
  if (config.spec.unmovable === 'Evict') {
    const warning = `pod ${keyOf(pod)} cannot be moved live (${why}), so it is evicted: MigrationWebhookConfig ${config.metadata.name} says unmovable: Evict`
    return { verdict: 'allow', why: warning, warning }
  }
  return wait(
    `Evicting pod ${keyOf(pod)}: it cannot be moved (${why}) and MigrationWebhookConfig ${config.metadata.name} says unmovable: Block: remove the reason, or delete the pod yourself`,
  )
}

function isSource(migration: PodMigration, pod: V1Pod): boolean {
  const { spec, status } = migration
  if (spec.podNamespace !== pod.metadata?.namespace || spec.podName !== pod.metadata?.name) return false
  const uid = status?.sourcePodUID ?? spec.sourcePodUID
  return uid === undefined ? isOpen(migration) : uid === pod.metadata?.uid
}

function hasLeft(migration: PodMigration): boolean {
  return migration.status?.committedAt !== undefined || migration.status?.phase === 'Complete'
}

function keyOf(pod: V1Pod): string {
  return `${pod.metadata?.namespace}/${pod.metadata?.name}`
}

function sentence({ message, remedy }: Refusal): string {
  return remedy ? `${message}: ${remedy}` : message
}

function allow(why: string): EvictionDecision {
  return { verdict: 'allow', why }
}

function wait(message: string): EvictionDecision {
  return { verdict: 'deny', code: 429, message }
}

function gone(pod: V1Pod, why: string): EvictionDecision {
  return { verdict: 'deny', code: 404, message: `pod ${keyOf(pod)} is not there any more: ${why}` }
}
