// The destination pod: a copy of the source's under a new name, minus what already ran, pinned to the reserved node.
import type { V1Affinity, V1Container, V1Pod, V1PodSpec } from '@kubernetes/client-node'
import { annotations, labels } from '../api/names.ts'
import type { PodMigrationSpec } from '../api/pod-migration.ts'
import { pinnedTerms, withoutPin } from '../extender/pin.ts'
import { baseName } from './destination-name.ts'
import type { Migration } from './observed.ts'
import { sidecars } from './pod-containers.ts'
import { identityOf } from './source-identity.ts'

// Written by the node's network, or by kubectl about another object.
const droppedAnnotations = [
  /^kubectl\.kubernetes\.io\/last-applied-configuration$/,
  /^cni\.projectcalico\.org\//,
  /^k8s\.v1\.cni\.cncf\.io\/network-status/,
]

export function buildDestinationPod(migration: Migration, source: V1Pod, nodeName: string, name: string): V1Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: migration.spec.podNamespace,
      // The application's labels come at cutover: until then no Service and no ReplicaSet counts this pod.
      labels: { [labels.migrationUid]: migration.metadata.uid ?? '', [labels.sourcePodUid]: source.metadata?.uid ?? '' },
      annotations: {
        ...keptAnnotations(source),
        [annotations.baseName]: baseName(source),
        [annotations.migration]: migration.metadata.uid ?? '',
        [annotations.migrationName]: `${migration.metadata.namespace}/${migration.metadata.name}`,
        [annotations.sourceIdentity]: JSON.stringify(identityOf(source)),
      },
    },
    spec: destinationSpec(withoutPin(source), nodeName, migration.spec.affinityMode),
  }
}

function keptAnnotations(source: V1Pod): Record<string, string> {
  const all = Object.entries(source.metadata?.annotations ?? {})
  return Object.fromEntries(all.filter(([name]) => !droppedAnnotations.some((pattern) => pattern.test(name))))
}

function destinationSpec(source: V1Pod, nodeName: string, affinityMode: PodMigrationSpec['affinityMode']): V1PodSpec {
  const {
    // Given by the scheduler, by admission, or only to the pod that ran before.
    nodeName: _node,
    ephemeralContainers: _debug,
    schedulingGates: _gates,
    priority: _priority,
    preemptionPolicy: _preemption,
    overhead: _overhead,
    initContainers: _ranAlready,
    affinity,
    nodeSelector,
    topologySpreadConstraints,
    ...kept
  } = source.spec ?? { containers: [] }
  const restartable = sidecars(source)
  // One that was received before has its patience already.
  const patient = source.metadata?.annotations?.[annotations.migration] !== undefined
  const received = (container: V1Container): V1Container => (patient ? container : withoutFirstRun(container))
  return {
    ...kept,
    containers: kept.containers.map(received),
    ...(restartable.length > 0 ? { initContainers: restartable.map(received) } : {}),
    hostname: kept.hostname ?? hostnameOf(source),
    affinity: pinnedAffinity(affinity, nodeName, affinityMode),
    ...(affinityMode === 'strict' && nodeSelector ? { nodeSelector } : {}),
    ...(affinityMode !== 'ignore' && topologySpreadConstraints ? { topologySpreadConstraints } : {}),
  }
}

// Kubelet cuts longer names like this when it makes the hostname.
function hostnameOf(source: V1Pod): string {
  return (source.metadata?.name ?? '').slice(0, 63).replace(/[-.]+$/, '')
}

// A stand-in answers no probe. It lives for seconds; this much longer kubelet waits before it calls the container dead.
const standInSeconds = 30

/** `postStart` ran on the source; the memory and the files have its result. */
function withoutFirstRun(container: V1Container): V1Container {
  const { lifecycle, livenessProbe, startupProbe, ...kept } = container
  const { postStart: _ran, ...hooks } = lifecycle ?? {}
  return {
    ...kept,
    ...(Object.keys(hooks).length > 0 ? { lifecycle: hooks } : {}),
    ...(livenessProbe
      ? { livenessProbe: { ...livenessProbe, initialDelaySeconds: Math.max(livenessProbe.initialDelaySeconds ?? 0, standInSeconds) } }
      : {}),
    ...(startupProbe ? { startupProbe: { ...startupProbe, failureThreshold: patientThreshold(startupProbe) } } : {}),
  }
}

function patientThreshold(probe: { failureThreshold?: number; periodSeconds?: number }): number {
  return (probe.failureThreshold ?? 3) + Math.ceil(standInSeconds / (probe.periodSeconds ?? 10))
}

function pinnedAffinity(affinity: V1Affinity | undefined, nodeName: string, mode: PodMigrationSpec['affinityMode']): V1Affinity {
  const { nodeAffinity, ...podRules } = affinity ?? {}
  const { requiredDuringSchedulingIgnoredDuringExecution: required, ...preferred } = nodeAffinity ?? {}
  const terms = pinnedTerms(mode === 'strict' ? required?.nodeSelectorTerms : undefined, nodeName)
  return {
    ...(mode === 'ignore' ? {} : podRules),
    nodeAffinity: { ...(mode === 'ignore' ? {} : preferred), requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } },
  }
}
