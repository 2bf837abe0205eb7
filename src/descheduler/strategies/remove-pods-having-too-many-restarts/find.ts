// Chooses pods whose containers were restarted too often, most restarts first.
import type { V1ContainerStatus, V1Pod } from '@kubernetes/client-node'
import type { RemovePodsHavingTooManyRestartsArguments } from '../../../api/descheduler-arguments.ts'
import { nodeName } from '../../stock/cluster.ts'
import { chooseAll } from '../../stock/evictor.ts'
import { isWaitingFor } from '../../stock/pod-facts.ts'
import { selects } from '../../stock/selection.ts'
import type { Scene } from '../strategy.ts'

export function find(wish: RemovePodsHavingTooManyRestartsArguments, { cluster, nodes, evictor }: Scene): undefined {
  const restartsOf = (pod: V1Pod) =>
    restarts(pod.status?.containerStatuses) + (wish.includingInitContainers ? restarts(pod.status?.initContainerStatuses) : 0)
  for (const node of nodes) {
    const pods = cluster
      .allPodsOn(nodeName(node))
      .filter(
        (pod) =>
          restartsOf(pod) >= wish.podRestartThreshold &&
          selects(wish, pod) &&
          evictor.isEvictable(pod) &&
          evictor.mayLeave(pod) &&
          isInState(wish, pod),
      )
      .sort((one, other) => restartsOf(other) - restartsOf(one))
    const limit = wish.podRestartThreshold
    if (chooseAll(evictor, pods, (pod) => ({ reason: `${restartsOf(pod)} restarts of its containers, the limit is ${limit}` }))) return
  }
}

function restarts(statuses: readonly V1ContainerStatus[] | undefined): number {
  return statuses?.reduce((sum, { restartCount }) => sum + restartCount, 0) ?? 0
}

function isInState({ states, includingInitContainers }: RemovePodsHavingTooManyRestartsArguments, pod: V1Pod): boolean {
  if (!states?.length) return true
  const names: readonly string[] = states
  return (
    names.includes(pod.status?.phase ?? '') ||
    isWaitingFor(pod.status?.containerStatuses, names) ||
    (includingInitContainers && isWaitingFor(pod.status?.initContainerStatuses, names))
  )
}
