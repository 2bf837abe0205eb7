// Answers from the caches about one migration: its pods, their siblings, whether their owner still exists.
import type { V1Pod, V1ReplicaSet } from '@kubernetes/client-node'
import { labels } from '../api/names.ts'
import type { Migration } from './observed.ts'
import { controllerOf } from './owner.ts'
import { identityOf, writtenIdentity } from './source-identity.ts'

export interface PodView {
  get(namespace: string | undefined, name: string): V1Pod | undefined
  list(): readonly V1Pod[]
}

/** Before the UID is known the name counts: Validating then says what is wrong with the pod that has it. */
export function findSourcePod({ spec, status }: Migration, pods: PodView): V1Pod | undefined {
  const pod = pods.get(spec.podNamespace, spec.podName)
  const judged = status.phase === undefined || status.phase === 'Pending' || status.phase === 'Validating'
  return judged || pod?.metadata?.uid === status.sourcePodUID ? pod : undefined
}

export function findDestinationPod({ spec, status }: Migration, pods: PodView): V1Pod | undefined {
  return status.destinationPodName ? pods.get(spec.podNamespace, status.destinationPodName) : undefined
}

/** Whatever it is called, and whenever it was made. */
export function isDestinationOf(migrationUid: string | undefined, pod: V1Pod): boolean {
  return migrationUid !== undefined && pod.metadata?.labels?.[labels.migrationUid] === migrationUid
}

export function siblingsOf(source: V1Pod | undefined, destinationName: string | undefined, pods: PodView): V1Pod[] {
  const owner = source && controllerOf(source)
  if (!owner) return []
  return pods.list().filter((pod) => {
    const ended = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'
    const itself = pod.metadata?.uid === source.metadata?.uid || pod.metadata?.name === destinationName
    return !ended && !itself && controllerOf(pod)?.uid === owner.uid
  })
}

/** Of the source; when that is gone, of what the destination says about it. */
export function ownerExists(
  source: V1Pod | undefined,
  destination: V1Pod | undefined,
  replicaSets: { get(namespace: string | undefined, name: string): V1ReplicaSet | undefined },
): boolean {
  const identity = source ? identityOf(source) : writtenIdentity(destination)
  const owner = identity?.ownerReferences.find(({ controller }) => controller)
  if (!owner) return true
  return replicaSets.get((source ?? destination)?.metadata?.namespace, owner.name)?.metadata?.uid === owner.uid
}
