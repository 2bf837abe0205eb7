// In which order pods are chosen: lowest priority first, then by quality of service, then those that would rather stay last.
import type { V1Container, V1Pod } from '@kubernetes/client-node'
import { parseQuantity } from '../../extender/quantity.ts'

export const preferNoEviction = 'descheduler.alpha.kubernetes.io/prefer-no-eviction'

/** No priority at all comes before every priority. */
export function comparePriority(one: V1Pod, other: V1Pod): number {
  const [first, second] = [one.spec?.priority ?? undefined, other.spec?.priority ?? undefined]
  if (first === undefined || second === undefined) return Number(first !== undefined) - Number(second !== undefined)
  return first - second
}

export function lowestPriorityFirst(pods: readonly V1Pod[]): V1Pod[] {
  return pods.toSorted(
    (one, other) => comparePriority(one, other) || rankOf(one) - rankOf(other) || Number(wantsToStay(one)) - Number(wantsToStay(other)),
  )
}

export function wantsToStay(pod: V1Pod): boolean {
  return pod.metadata?.annotations?.[preferNoEviction] !== undefined
}

const ranks: Record<string, number> = { BestEffort: 0, Burstable: 1, Guaranteed: 2 }

function rankOf(pod: V1Pod): number {
  return ranks[pod.status?.qosClass ?? qosOf(pod)] ?? 1
}

/** For pods whose status does not say it (yet). */
function qosOf(pod: V1Pod): string {
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])]
  const asked = containers.flatMap((container) => [...amounts(container, 'requests'), ...amounts(container, 'limits')])
  if (asked.length === 0) return 'BestEffort'
  return containers.every(isGuaranteed) ? 'Guaranteed' : 'Burstable'
}

function isGuaranteed(container: V1Container): boolean {
  const limits = new Map(amounts(container, 'limits'))
  const requests = new Map(amounts(container, 'requests'))
  return ['cpu', 'memory'].every((resource) => limits.has(resource) && limits.get(resource) === requests.get(resource))
}

function amounts(container: V1Container, which: 'requests' | 'limits'): [string, number][] {
  return Object.entries(container.resources?.[which] ?? {})
    .map(([resource, text]): [string, number] => [resource, parseQuantity(text)])
    .filter(([resource, amount]) => (resource === 'cpu' || resource === 'memory') && amount > 0)
}
