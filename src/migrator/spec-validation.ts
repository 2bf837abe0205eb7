// Every reason why a wish (spec) cannot be carried out, whatever the pod is like.
import type { V1Pod } from '@kubernetes/client-node'
import { isTerminal } from '../api/phases.ts'
import type { PodMigration, Refusal } from '../api/pod-migration.ts'

export function specRefusals(migration: PodMigration): Refusal[] {
  return [...placeRefusals(migration), ...notYetRefusals(migration)]
}

function placeRefusals({ spec, metadata }: PodMigration): Refusal[] {
  const refusals: Refusal[] = []
  if (metadata.namespace !== undefined && metadata.namespace !== spec.podNamespace) {
    refusals.push({
      code: 'NamespaceMismatch',
      message: `spec.podNamespace is ${spec.podNamespace}, but the PodMigration is in namespace ${metadata.namespace}`,
      remedy: `create it in namespace ${spec.podNamespace}`,
    })
  }
  if (spec.destinationCluster) {
    refusals.push({
      code: 'DestinationCluster',
      message: `spec.destinationCluster is "${spec.destinationCluster}", but moves to another cluster do not exist yet`,
      remedy: 'remove the field',
    })
  }
  return refusals
}

function notYetRefusals({ spec }: PodMigration): Refusal[] {
  const refusals: Refusal[] = []
  const refuse = (code: string, message: string, remedy: string) => refusals.push({ code, message, remedy })
  if (spec.storageStrategy === 'SnapshotClone' || spec.storageStrategy === 'DualEngine') {
    refuse('StorageStrategy', `spec.storageStrategy ${spec.storageStrategy} is not available`, 'use Auto, Sync or Skip')
  }
  const probe = spec.applicationProbe
  if (probe && (probe.protocol === 'SQL' || probe.protocol === 'gRPC')) {
    refuse('ProbeProtocol', `spec.applicationProbe.protocol ${probe.protocol} comes later`, 'use TCP or HTTP')
  }
  if (probe?.when === 'BeforeCommit') {
    refuse('ProbeBeforeCommit', 'spec.applicationProbe.when BeforeCommit comes later', 'use AfterCommit')
  }
  return refusals
}

/** The pod that is named must be there, and be the one that was meant. */
export function identityRefusals({ spec, status }: PodMigration, pod: V1Pod | undefined): Refusal[] {
  if (!pod) {
    return [
      {
        code: 'PodNotFound',
        message: `spec.podName: pod ${spec.podNamespace}/${spec.podName} does not exist`,
        remedy: 'check the name and the namespace',
      },
    ]
  }
  const wanted = status?.sourcePodUID ?? spec.sourcePodUID
  if (!wanted || wanted === pod.metadata?.uid) return []
  return [
    {
      code: 'WrongUid',
      message: `spec.sourcePodUID is ${wanted}, but pod ${spec.podNamespace}/${spec.podName} has UID ${pod.metadata?.uid}: it was replaced`,
      remedy: 'create a PodMigration for the new pod, or leave sourcePodUID out',
    },
  ]
}

/** The move would count against no budget, and nobody could say why it was made. */
export function policyRefusals({ spec }: PodMigration, policyExists: boolean): Refusal[] {
  if (policyExists) return []
  return [
    {
      code: 'UnknownPolicy',
      message: `spec.migrationPolicyRef.name: MigrationPolicy ${spec.migrationPolicyRef?.name} does not exist`,
      remedy: 'create the MigrationPolicy first, or leave migrationPolicyRef out',
    },
  ]
}

/** A pod moves once at a time. Of two migrations the one that was created first goes on. */
export function alreadyMovingRefusals(self: PodMigration, pod: V1Pod | undefined, others: readonly PodMigration[]): Refusal[] {
  const open = others.find((other) => isMoving(other) && isAbout(other, pod) && goesFirst(other, self))
  if (!open) return []
  return [
    {
      code: 'AlreadyMoving',
      message: `PodMigration ${open.metadata.namespace}/${open.metadata.name} is moving this pod already (${open.status?.phase ?? 'Pending'})`,
      remedy: 'wait until it has ended, or cancel it',
    },
  ]
}

function isMoving({ spec, status }: PodMigration): boolean {
  return !spec.dryRun && !isTerminal(status?.phase)
}

function isAbout(other: PodMigration, pod: V1Pod | undefined): boolean {
  if (!pod || other.spec.podNamespace !== pod.metadata?.namespace) return false
  const uid = other.status?.sourcePodUID ?? other.spec.sourcePodUID
  const isSource = uid ? uid === pod.metadata.uid : other.spec.podName === pod.metadata.name
  return isSource || other.status?.destinationPodName === pod.metadata.name
}

function goesFirst(other: PodMigration, self: PodMigration): boolean {
  const [mine, theirs] = [self.metadata.creationTimestamp, other.metadata.creationTimestamp]
  // Admission asks before self exists at all; and one that has passed its validation goes on, whatever its age.
  if (!mine || !theirs || !['Pending', 'Validating'].includes(other.status?.phase ?? 'Pending')) return true
  return `${theirs} ${other.metadata.uid}` < `${mine} ${self.metadata.uid}`
}
