// Chooses pods by age, state, condition, exit code and owner, oldest first over all nodes.
import type { V1ContainerStatus, V1Pod, V1PodCondition } from '@kubernetes/client-node'
import type { PodConditionFilter, PodLifeTimeArguments } from '../../../api/descheduler-arguments.ts'
import { nodeName } from '../../stock/cluster.ts'
import { ageSeconds, hasEndedWith, hasExitCode, hasOwnerOfKind, isWaitingFor, millis, secondsSince } from '../../stock/pod-facts.ts'
import { selects } from '../../stock/selection.ts'
import type { Scene } from '../strategy.ts'

export function find(wish: PodLifeTimeArguments, { cluster, nodes, evictor }: Scene): undefined {
  const pods = nodes
    .flatMap((node) => cluster.allPodsOn(nodeName(node)))
    .filter((pod) => selects(wish, pod) && matches(wish, pod, cluster.nowMs) && evictor.isEvictable(pod) && evictor.mayLeave(pod))
    .sort((one, other) => millis(one.metadata?.creationTimestamp) - millis(other.metadata?.creationTimestamp))
  for (const pod of pods) {
    const reason = `it is ${ageSeconds(pod, cluster.nowMs)} s old${describe(wish, pod)}`
    // A node or namespace that has reached its limit does not end it: the next pod may be of another one.
    if (evictor.choose(pod, { reason }) === 'totalLimit') return
  }
}

function matches(wish: PodLifeTimeArguments, pod: V1Pod, nowMs: number): boolean {
  const { maxPodLifeTimeSeconds, ownerKinds, conditions, exitCodes } = wish
  if (maxPodLifeTimeSeconds !== undefined && ageSeconds(pod, nowMs) <= maxPodLifeTimeSeconds) return false
  if (ownerKinds?.include?.length && !hasOwnerOfKind(pod, ownerKinds.include)) return false
  if (hasOwnerOfKind(pod, ownerKinds?.exclude)) return false
  if (conditions?.length && !conditions.some((filter) => pod.status?.conditions?.some((one) => isCondition(filter, one, nowMs))))
    return false
  if (exitCodes?.length && !statusesOf(wish, pod, false).some((statuses) => hasExitCode(statuses, exitCodes))) return false
  return isInState(wish, pod)
}

function isInState(wish: PodLifeTimeArguments, pod: V1Pod): boolean {
  const { states } = wish
  if (!states?.length) return true
  if (states.includes(pod.status?.phase ?? '') || states.includes(pod.status?.reason ?? '')) return true
  return statusesOf(wish, pod, true).some((statuses) => isWaitingFor(statuses, states) || hasEndedWith(statuses, states))
}

/** Exit codes of ephemeral containers do not count. */
function statusesOf(wish: PodLifeTimeArguments, pod: V1Pod, withEphemeral: boolean): (readonly V1ContainerStatus[])[] {
  return [
    pod.status?.containerStatuses ?? [],
    wish.includingInitContainers ? (pod.status?.initContainerStatuses ?? []) : [],
    wish.includingEphemeralContainers && withEphemeral ? (pod.status?.ephemeralContainerStatuses ?? []) : [],
  ]
}

function isCondition(filter: PodConditionFilter, condition: V1PodCondition, nowMs: number): boolean {
  const same = (wanted: string | undefined, found: string | undefined) => !wanted || wanted === found
  if (!same(filter.type, condition.type) || !same(filter.status, condition.status) || !same(filter.reason, condition.reason)) return false
  const atLeast = filter.minTimeSinceLastTransitionSeconds
  if (atLeast === undefined) return true
  return Boolean(condition.lastTransitionTime) && secondsSince(condition.lastTransitionTime, nowMs) >= atLeast
}

function describe({ maxPodLifeTimeSeconds, states, conditions, exitCodes }: PodLifeTimeArguments, pod: V1Pod): string {
  const parts = [
    ...(maxPodLifeTimeSeconds === undefined ? [] : [`the limit is ${maxPodLifeTimeSeconds} s`]),
    ...(states?.length ? [`in a state of ${states.join(', ')} (phase ${pod.status?.phase ?? 'unknown'})`] : []),
    ...(conditions?.length ? ['with a condition that the policy names'] : []),
    ...(exitCodes?.length ? [`with an exit code of ${exitCodes.join(', ')}`] : []),
  ]
  return parts.map((part) => `, ${part}`).join('')
}
