// What a pod asks of a node, counted as kube-scheduler counts it; and arithmetic on such amounts.
import type { V1Container, V1Node, V1Pod } from '@kubernetes/client-node'
import { parseAmount } from './quantity.ts'

/** Resource name to whole amount (cpu in millicores, memory and ephemeral-storage in bytes, pods in pieces). */
export type Amounts = Readonly<Record<string, number>>

function readAmounts(list: { [resource: string]: string } | undefined): Record<string, number> {
  const amounts: Record<string, number> = {}
  for (const [resource, text] of Object.entries(list ?? {})) amounts[resource] = parseAmount(resource, text)
  return amounts
}

export function addAmounts(total: Record<string, number>, more: Amounts, sign: 1 | -1 = 1): void {
  for (const resource of Object.keys(more)) total[resource] = (total[resource] ?? 0) + sign * (more[resource] ?? 0)
}

function raiseAmounts(total: Record<string, number>, other: Amounts): void {
  for (const resource of Object.keys(other)) total[resource] = Math.max(total[resource] ?? 0, other[resource] ?? 0)
}

/** Plain init containers run one after the other before the rest, sidecars (restartPolicy Always) stay: the larger of both sums counts. */
export function podRequests(pod: V1Pod): Amounts {
  const running: Record<string, number> = {}
  const starting: Record<string, number> = {}
  for (const container of pod.spec?.initContainers ?? []) {
    const own = requestsOf(container)
    if (container.restartPolicy === 'Always') addAmounts(running, own)
    const peak = { ...running }
    if (container.restartPolicy !== 'Always') addAmounts(peak, own)
    raiseAmounts(starting, peak)
  }
  for (const container of pod.spec?.containers ?? []) addAmounts(running, requestsOf(container))
  raiseAmounts(running, starting)
  // Requests of the pod as a whole (pod-level resources) take the place of the sum over its containers.
  Object.assign(running, readAmounts(pod.spec?.resources?.requests))
  addAmounts(running, readAmounts(pod.spec?.overhead))
  running.pods = 1
  return running
}

function requestsOf(container: V1Container): Amounts {
  return readAmounts(container.resources?.requests)
}

export function allocatableOf(node: V1Node): Amounts {
  return readAmounts(node.status?.allocatable ?? node.status?.capacity)
}

/** Ended pods keep their object but not their room. */
export function takesRoom(pod: V1Pod): boolean {
  return pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed'
}

export function podKey(pod: V1Pod): string {
  return `${pod.metadata?.namespace ?? ''}/${pod.metadata?.name ?? ''}`
}

export function controllerUid(pod: V1Pod): string | undefined {
  return pod.metadata?.ownerReferences?.find((owner) => owner.controller)?.uid
}
