// Deleting a pod by its UID: first so that the object stays until kubelet has ended it, and by force when nobody answers for long.
import type { V1Pod } from '@kubernetes/client-node'
import type { Effect, PodReference } from './decision.ts'

export function referenceTo(pod: V1Pod): PodReference {
  return { namespace: pod.metadata?.namespace ?? '', name: pod.metadata?.name ?? '', uid: pod.metadata?.uid ?? '' }
}

/** `patient`: kubelet still has time. With 0 seconds the object vanishes at once, whatever runs on the node. */
export function deletionOf(pod: V1Pod, patient: boolean): Effect[] {
  if (patient && pod.metadata?.deletionTimestamp) return []
  return [{ kind: 'deletePod', pod: referenceTo(pod), gracePeriodSeconds: patient ? 1 : 0 }]
}
