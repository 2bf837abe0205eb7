// The addresses of a node and of a pod: at most one of each family, the one that stands for it first.
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import { areOfOneFamily, ofItsFamily } from '../runtime/addresses.ts'

/** `reported`: by which its agent is reached. */
export function nodeIpsOf(node: V1Node | undefined, reported: string | undefined): string[] {
  const internal = node?.status?.addresses?.filter(({ type }) => type === 'InternalIP').map(({ address }) => address) ?? []
  return withOtherFamily(reported ?? internal[0], internal)
}

/** `own`: where its status has none. */
export function podIpsOf(pod: V1Pod, own: string | undefined = pod.status?.podIP): string[] {
  return withOtherFamily(own, pod.status?.podIPs?.flatMap(({ ip }) => ip ?? []) ?? [])
}

function withOtherFamily(own: string | undefined, all: readonly string[]): string[] {
  if (!own) return []
  const other = all.find((address) => !areOfOneFamily(address, own))
  return other === undefined ? [own] : [own, other]
}

/** Of a pod's addresses those that every one of these nodes can lead to: another family's moves nowhere. The first is never left out. */
export function reachable([own, ...others]: readonly string[], nodes: readonly (readonly string[])[]): string[] {
  if (own === undefined) return []
  return [own, ...others.filter((ip) => nodes.every((nodeIps) => ofItsFamily(ip, nodeIps) !== undefined))]
}
