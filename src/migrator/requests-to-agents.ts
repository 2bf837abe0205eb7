// What the controller tells the agents, built from what was observed: the announcement to the destination, the order to the source.
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import type { AwaitRequest, MoveRequest } from '../api/agent-wire.ts'
import { contains } from '../runtime/addresses.ts'
import { podCidrsOf, wirePod } from './inventory.ts'
import { nodeIpsOf, podIpsOf, reachable } from './node-addresses.ts'
import { capacityOf, type Migration, type Observed } from './observed.ts'
import { movedContainers } from './pod-containers.ts'
import { postCopyObstacle } from './post-copy.ts'

function migrationKey(migration: Migration): string {
  return `${migration.metadata.namespace}/${migration.metadata.name}`
}

function agentAddress(observed: Observed, nodeName: string | undefined): string {
  return capacityOf(observed, nodeName)?.status?.agentAddress ?? ''
}

function nodeIps(observed: Observed, nodeName: string | undefined): string[] {
  const node = observed.nodes.find((candidate) => candidate.metadata?.name === nodeName)
  return nodeIpsOf(node, capacityOf(observed, nodeName)?.status?.nodeIp)
}

/** Those that can follow the pod from its source to its destination. */
function movingIps({ status }: Migration, observed: Observed, ips: readonly string[]): string[] {
  return reachable(ips, [nodeIps(observed, status.sourceNode), nodeIps(observed, status.destinationNode)])
}

export function awaitRequest(migration: Migration, observed: Observed, source: V1Pod): AwaitRequest {
  const { status, spec } = migration
  return {
    migrationName: migrationKey(migration),
    pod: {
      namespace: spec.podNamespace,
      name: status.destinationPodName ?? '',
      ips: movingIps(migration, observed, podIpsOf(source, status.podIP)),
      containers: movedContainers(source).map((container) => container.name),
    },
    source: {
      nodeName: status.sourceNode ?? '',
      nodeIps: nodeIps(observed, status.sourceNode),
      address: agentAddress(observed, status.sourceNode),
    },
    completionTimeoutSeconds: spec.completionTimeoutSeconds,
  }
}

export function moveRequest(migration: Migration, observed: Observed, source: V1Pod, destination: V1Pod): MoveRequest {
  const { spec, status } = migration
  const home = homeNode(migration, observed)
  const pod = wirePod(source, observed.claims, spec)
  const obstacle = postCopyObstacle(source)
  return {
    migrationName: migrationKey(migration),
    pod: { ...pod, ips: movingIps(migration, observed, pod.ips) },
    destination: {
      nodeName: status.destinationNode ?? '',
      nodeIps: nodeIps(observed, status.destinationNode),
      address: agentAddress(observed, status.destinationNode),
      podName: destination.metadata?.name ?? '',
      podUid: destination.metadata?.uid ?? '',
    },
    ...(home ? { home } : {}),
    mode: spec.mode,
    tcpPreservationMode: spec.tcpPreservationMode,
    storageStrategy: spec.storageStrategy,
    // Cold has no freeze to keep short: only the completion timeout bounds it.
    freezeWindowBudgetMs: spec.mode === 'Cold' ? spec.completionTimeoutSeconds * 1000 : spec.freezeWindowBudgetMs,
    bandwidthLimitMbps: spec.bandwidthLimitMbps,
    preCopyMaxRounds: spec.preCopyMaxRounds,
    preCopyDirtyThresholdMB: spec.preCopyDirtyThresholdMB,
    onNonConvergence: spec.onNonConvergence,
    ...(obstacle === undefined ? {} : { postCopyObstacle: obstacle }),
    keepFailedDestination: !spec.rollbackOnFailure,
    podCidrs: podCidrsOf(observed),
    serviceIps: [...observed.serviceIps],
    keepCheckpointSeconds: spec.mode === 'Cold' ? observed.checkpointRetentionSeconds : 0,
  }
}

/** The node whose range holds the pod's address, when it is neither source nor destination: its routes have to follow too. */
function homeNode({ status }: Migration, observed: Observed): MoveRequest['home'] {
  const home = observed.nodes.find((node) => rangesOf(node).some((range) => contains(range, status.podIP ?? '')))
  const nodeName = home?.metadata?.name
  if (!nodeName || nodeName === status.sourceNode || nodeName === status.destinationNode) return undefined
  return { nodeName, address: agentAddress(observed, nodeName) }
}

export function rangesOf(node: V1Node): string[] {
  return node.spec?.podCIDRs ?? (node.spec?.podCIDR ? [node.spec.podCIDR] : [])
}
