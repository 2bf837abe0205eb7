// The network wish for each node, from what exists: which pods can move, and which live away from home. Level-based, whole each time.
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import type { NetworkState } from '../api/agent-wire.ts'
import { labels, runtimeClassName } from '../api/names.ts'
import type { NodeMigrationCapacity } from '../api/node-migration-capacity.ts'
import type { PodMigration, PodMigrationStatus } from '../api/pod-migration.ts'
import { contains, ofItsFamily } from '../runtime/addresses.ts'
import { nodeIpsOf, podIpsOf } from './node-addresses.ts'
import { rangesOf } from './requests-to-agents.ts'

export interface NetworkView {
  nodes: readonly V1Node[]
  pods: readonly V1Pod[]
  capacities: readonly NodeMigrationCapacity[]
  migrations: readonly PodMigration[]
}

interface Place {
  name: string
  ips: string[]
  ranges: string[]
}

export function networkStates(view: NetworkView): Map<string, NetworkState> {
  const places = view.nodes.map((node) => placeOf(node, view.capacities))
  const living = livingPods(view)
  const movable = [...new Set(living.map(({ ip }) => ip))].toSorted()
  const moved = living.flatMap((pod) => movedEntry(pod, places)).toSorted((a, b) => a.ip.localeCompare(b.ip))
  return new Map(places.map(({ name, ips, ranges }) => [name, { nodeIps: ips, podCidrs: ranges, ...ofFamilies(ips, { movable, moved }) }]))
}

/** A node has no routes and no rules of a family that it has no address of. */
function ofFamilies(
  nodeIps: readonly string[],
  { movable, moved }: Pick<NetworkState, 'movable' | 'moved'>,
): Pick<NetworkState, 'movable' | 'moved'> {
  const isOwn = (ip: string): boolean => ofItsFamily(ip, nodeIps) !== undefined
  return { movable: movable.filter(isOwn), moved: moved.filter(({ ip }) => isOwn(ip)) }
}

function placeOf(node: V1Node, capacities: readonly NodeMigrationCapacity[]): Place {
  const name = node.metadata?.name ?? ''
  const reported = capacities.find((capacity) => capacity.spec.nodeName === name)?.status
  return { name, ips: nodeIpsOf(node, reported?.nodeIp), ranges: rangesOf(node).length > 0 ? rangesOf(node) : (reported?.podCidrs ?? []) }
}

interface LivingPod {
  ip: string
  nodeName: string
}

/** One for each address. Source and destination of a move have the same: the one that the commit says is the one that lives. */
function livingPods({ pods, migrations }: NetworkView): LivingPod[] {
  const shadows = shadowUids(migrations)
  const unborn = unbornMigrations(migrations)
  return pods.flatMap((pod) => {
    const nodeName = pod.spec?.nodeName
    if (!nodeName || pod.spec?.runtimeClassName !== runtimeClassName || pod.spec.hostNetwork) return []
    if (pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return []
    if (shadows.has(pod.metadata?.uid ?? '') || unborn.has(pod.metadata?.labels?.[labels.migrationUid] ?? '')) return []
    return podIpsOf(pod).map((ip) => ({ ip, nodeName }))
  })
}

/** Sources after the commit: frozen, and only waiting for their end. */
function shadowUids(migrations: readonly PodMigration[]): Set<string> {
  return new Set(migrations.flatMap(({ status }) => (isCommitted(status) && status?.sourcePodUID ? [status.sourcePodUID] : [])))
}

/** Migrations whose destination pod, if there is one, has not come to life. */
function unbornMigrations(migrations: readonly PodMigration[]): Set<string> {
  return new Set(migrations.flatMap(({ status, metadata }) => (isCommitted(status) || !metadata.uid ? [] : [metadata.uid])))
}

function isCommitted(status: PodMigrationStatus | undefined): boolean {
  return status?.committedAt !== undefined
}

function movedEntry({ ip, nodeName }: LivingPod, places: readonly Place[]): NetworkState['moved'] {
  const here = places.find((place) => place.name === nodeName)
  const nodeIp = ofItsFamily(ip, here?.ips ?? [])
  if (nodeIp === undefined || here?.ranges.some((range) => contains(range, ip))) return []
  const home = places.find((place) => place.ranges.some((range) => contains(range, ip)))
  const homeNodeIp = ofItsFamily(ip, home?.ips ?? [])
  return [{ ip, nodeIp, ...(homeNodeIp === undefined ? {} : { homeNodeIp }) }]
}
