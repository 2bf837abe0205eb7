// Pods by the namespace that they are in.
import type { V1Pod } from '@kubernetes/client-node'

export function podsByNamespace(pods: readonly V1Pod[]): Map<string, V1Pod[]> {
  const groups = new Map<string, V1Pod[]>()
  for (const pod of pods) {
    const namespace = pod.metadata?.namespace ?? ''
    const group = groups.get(namespace)
    if (group) group.push(pod)
    else groups.set(namespace, [pod])
  }
  return groups
}
