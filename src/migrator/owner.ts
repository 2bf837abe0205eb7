// Who owns a pod, and which owners can take over a moved pod today.
import type { V1OwnerReference, V1Pod } from '@kubernetes/client-node'
import type { Refusal } from '../api/pod-migration.ts'

const mirrorAnnotation = 'kubernetes.io/config.mirror'

export function controllerOf(pod: V1Pod): V1OwnerReference | undefined {
  return pod.metadata?.ownerReferences?.find((owner) => owner.controller)
}

export function ownerRefusals(pod: V1Pod): Refusal[] {
  const owner = controllerOf(pod)
  if (pod.metadata?.annotations?.[mirrorAnnotation] !== undefined || owner?.kind === 'Node') {
    return [{ code: 'StaticPod', message: 'the pod is a static pod of its node', remedy: 'run it from a Deployment' }]
  }
  if (!owner || owner.kind === 'ReplicaSet') return []
  return [refuseOwner(owner)]
}

function refuseOwner(owner: V1OwnerReference): Refusal {
  const who = `${owner.kind} ${owner.name}`
  if (owner.kind === 'DaemonSet') {
    return { code: 'DaemonSetPod', message: `the pod belongs to ${who}: one pod a node, nowhere else to go` }
  }
  if (owner.kind === 'StatefulSet') {
    return {
      code: 'StatefulSetPod',
      message: `the pod belongs to ${who}; pods that need the same name again cannot be moved yet`,
      remedy: 'run it from a Deployment, or wait for a later version',
    }
  }
  return {
    code: 'UnsupportedOwner',
    message: `the pod belongs to ${who}, which would not take over the moved pod`,
    remedy: 'moves work for pods of ReplicaSets (Deployments) and for pods without an owner',
  }
}
