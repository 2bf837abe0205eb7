// The containers of a pod that live as long as it does, and so move with it.
import type { V1Container, V1ContainerStatus, V1Pod } from '@kubernetes/client-node'

/** Restartable init containers: they keep running beside the others. */
export function sidecars(pod: V1Pod): V1Container[] {
  return (pod.spec?.initContainers ?? []).filter((container) => container.restartPolicy === 'Always')
}

export function movedContainers(pod: V1Pod): V1Container[] {
  return [...sidecars(pod), ...(pod.spec?.containers ?? [])]
}

export function containerStatuses(pod: V1Pod): V1ContainerStatus[] {
  return [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])]
}

export function isReady(pod: V1Pod): boolean {
  return pod.status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false
}

/** Stand-ins count: kubelet sees them as running containers. */
export function allContainersRunning(pod: V1Pod): boolean {
  const running = new Set(containerStatuses(pod).flatMap((status) => (status.state?.running ? [status.name] : [])))
  return movedContainers(pod).every((container) => running.has(container.name))
}
