// Chooses failed pods by age, reason, exit code and owner.
import type { V1ContainerStatus, V1Pod } from '@kubernetes/client-node'
import type { RemoveFailedPodsArguments } from '../../../api/descheduler-arguments.ts'
import { nodeName } from '../../stock/cluster.ts'
import { chooseAll } from '../../stock/evictor.ts'
import { ageSeconds, hasOwnerOfKind } from '../../stock/pod-facts.ts'
import { selects } from '../../stock/selection.ts'
import type { Scene } from '../strategy.ts'

export function find(wish: RemoveFailedPodsArguments, { cluster, nodes, evictor }: Scene): undefined {
  for (const node of nodes) {
    const pods = cluster
      .allPodsOn(nodeName(node))
      .filter(
        (pod) =>
          pod.status?.phase === 'Failed' &&
          selects(wish, pod) &&
          evictor.isEvictable(pod) &&
          evictor.mayLeave(pod) &&
          matches(wish, pod, cluster.nowMs),
      )
    if (chooseAll(evictor, pods, (pod) => ({ reason: `the pod has failed (${describe(pod)})` }))) return
  }
}

function matches(wish: RemoveFailedPodsArguments, pod: V1Pod, nowMs: number): boolean {
  if (ageSeconds(pod, nowMs) < wish.minPodLifetimeSeconds) return false
  if (hasOwnerOfKind(pod, wish.excludeOwnerKinds)) return false
  const statuses = statusesOf(pod, wish.includingInitContainers)
  if (
    wish.reasons?.length &&
    ![...reasonsOf(statuses), pod.status?.reason ?? ''].some((reason) => reason && wish.reasons?.includes(reason))
  )
    return false
  return !wish.exitCodes?.length || statuses.some(({ state }) => state?.terminated && wish.exitCodes?.includes(state.terminated.exitCode))
}

function statusesOf(pod: V1Pod, withInit: boolean): V1ContainerStatus[] {
  return [...(pod.status?.containerStatuses ?? []), ...(withInit ? (pod.status?.initContainerStatuses ?? []) : [])]
}

function reasonsOf(statuses: readonly V1ContainerStatus[]): string[] {
  return statuses.flatMap(({ state }) => [state?.waiting?.reason ?? '', state?.terminated?.reason ?? '']).filter(Boolean)
}

function describe(pod: V1Pod): string {
  const reasons = [...new Set([pod.status?.reason ?? '', ...reasonsOf(statusesOf(pod, true))])].filter(Boolean)
  return reasons.length > 0 ? reasons.join(', ') : 'no reason given'
}
