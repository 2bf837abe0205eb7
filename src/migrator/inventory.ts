// The source agent's inventory: what is asked, and which of its reasons refuse in which preservation mode.
import type { V1Pod } from '@kubernetes/client-node'
import type { Inventory, InventoryRequest, WirePod } from '../api/agent-wire.ts'
import type { PodMigrationSpec, Refusal } from '../api/pod-migration.ts'
import { podIpsOf } from './node-addresses.ts'
import type { Migration, Observed } from './observed.ts'
import { containerStatuses, movedContainers } from './pod-containers.ts'
import { type ClaimAccessModes, classifyVolumes } from './volumes.ts'

export function wirePod(pod: V1Pod, claims: ClaimAccessModes | undefined, spec: PodMigrationSpec): WirePod {
  const ids = new Map(containerStatuses(pod).map((status) => [status.name, status.containerID?.replace(/^containerd:\/\//, '') ?? '']))
  return {
    namespace: pod.metadata?.namespace ?? '',
    name: pod.metadata?.name ?? '',
    uid: pod.metadata?.uid ?? '',
    ips: podIpsOf(pod, pod.status?.podIP || spec.sourcePodIP),
    containers: movedContainers(pod).map(({ name }) => ({ name, id: ids.get(name) ?? '' })),
    volumes: classifyVolumes(pod, claims).map(({ name, kind }) => ({ name, kind: carried(kind, spec) })),
  }
}

type WireVolumeKind = WirePod['volumes'][number]['kind']

function carried(kind: WireVolumeKind, spec: PodMigrationSpec): WireVolumeKind {
  const local = kind === 'emptyDir' || kind === 'emptyDirMemory'
  return spec.storageStrategy === 'Skip' && local ? 'skip' : kind
}

export function podCidrsOf(observed: Pick<Observed, 'nodes'>): string[] {
  return observed.nodes.flatMap((node) => node.spec?.podCIDRs ?? (node.spec?.podCIDR ? [node.spec.podCIDR] : []))
}

export function inventoryRequest(
  migration: Migration,
  pod: V1Pod,
  observed: Pick<Observed, 'nodes' | 'serviceIps' | 'claims'>,
): InventoryRequest {
  return {
    pod: wirePod(pod, observed.claims, migration.spec),
    tcpPreservationMode: migration.spec.tcpPreservationMode,
    podCidrs: podCidrsOf(observed),
    serviceIps: [...observed.serviceIps],
  }
}

/** Strict: every reason refuses. Otherwise only those that make a move impossible; the rest is said and the move goes on. */
export function inventoryRefusals(inventory: Inventory, spec: PodMigrationSpec): Refusal[] {
  return inventory.reasons.filter((reason) => reason.blocking || spec.tcpPreservationMode === 'Strict').map(withoutBlocking)
}

export function inventoryWarnings(inventory: Inventory, spec: PodMigrationSpec): Refusal[] {
  if (spec.tcpPreservationMode !== 'BestEffort') return []
  return inventory.reasons.filter((reason) => !reason.blocking).map(withoutBlocking)
}

function withoutBlocking({ blocking: _blocking, ...refusal }: Inventory['reasons'][number]): Refusal {
  return refusal
}
