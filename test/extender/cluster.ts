// Small cluster objects for tests: what matters is named in the call, the rest is ordinary.
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import type { NodeMigrationCapacity } from '../../src/api/node-migration-capacity.ts'
import { PodMigration } from '../../src/api/pod-migration.ts'

export const nowMs = Date.parse('2026-05-04T12:00:00Z')

export function at(offsetMs: number): string {
  return new Date(nowMs + offsetMs).toISOString()
}

export interface NodeWish {
  cpu?: string
  memory?: string
  pods?: string
  labels?: Record<string, string>
  cordoned?: boolean
  ready?: boolean
  taints?: { key: string; value?: string; effect: string }[]
  images?: string[]
}

export function node(name: string, wish: NodeWish = {}): V1Node {
  return {
    metadata: { name, labels: { 'kubernetes.io/hostname': name, ...wish.labels } },
    spec: { ...(wish.cordoned ? { unschedulable: true } : {}), ...(wish.taints ? { taints: wish.taints } : {}) },
    status: {
      allocatable: { cpu: wish.cpu ?? '4', memory: wish.memory ?? '8Gi', pods: wish.pods ?? '110' },
      conditions: [{ type: 'Ready', status: wish.ready === false ? 'False' : 'True' }],
      images: (wish.images ?? []).map((image) => ({ names: [image], sizeBytes: 1000 })),
    },
  }
}

export interface PodWish {
  uid?: string
  on?: string
  cpu?: string
  memory?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
  owner?: string
  image?: string
  phase?: string
  deleting?: boolean
  runtimeClassName?: string | undefined
  spec?: Partial<NonNullable<V1Pod['spec']>>
}

/** `namespace/name`, under our RuntimeClass and Running unless said otherwise. */
export function pod(key: string, wish: PodWish = {}): V1Pod {
  const [namespace = '', name = ''] = key.split('/')
  const requests = { ...(wish.cpu ? { cpu: wish.cpu } : {}), ...(wish.memory ? { memory: wish.memory } : {}) }
  const owner = wish.owner ? [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: wish.owner, uid: wish.owner, controller: true }] : []
  return {
    metadata: {
      namespace,
      name,
      uid: wish.uid ?? `uid-${name}`,
      labels: wish.labels ?? {},
      annotations: wish.annotations ?? {},
      ownerReferences: owner,
      ...(wish.deleting ? { deletionTimestamp: at(0) as unknown as Date } : {}),
    },
    spec: {
      containers: [{ name: 'app', image: wish.image ?? 'app:1', resources: { requests } }],
      ...('runtimeClassName' in wish ? {} : { runtimeClassName: 'podmotion' }),
      ...(wish.runtimeClassName ? { runtimeClassName: wish.runtimeClassName } : {}),
      ...(wish.on ? { nodeName: wish.on } : {}),
      ...wish.spec,
    },
    status: {
      phase: wish.phase ?? 'Running',
      containerStatuses: [
        {
          name: 'app',
          ready: true,
          restartCount: 0,
          image: '',
          imageID: '',
          containerID: 'containerd://1',
          started: true,
          state: { running: {} },
        },
      ],
    },
  }
}

export function capacity(nodeName: string, status: Partial<NonNullable<NodeMigrationCapacity['status']>> = {}): NodeMigrationCapacity {
  return {
    metadata: { name: nodeName },
    spec: { nodeName },
    status: {
      eligible: true,
      reasons: [],
      kernel: '6.12.1',
      criuVersion: '4.2.1',
      architecture: 'amd64',
      cgroupVersion: 2,
      cpuFeatures: ['sse2', 'avx2'],
      observedAt: at(-10_000),
      ...status,
    },
  }
}

export interface MigrationWish {
  uid?: string
  spec?: Record<string, unknown>
  status?: Record<string, unknown>
  metadata?: Record<string, unknown>
}

/** A PodMigration `namespace/name` of a pod, with the defaults that the API server would fill in. */
export function migration(key: string, podName: string, wish: MigrationWish = {}): PodMigration {
  const [namespace = '', name = ''] = key.split('/')
  return PodMigration.parse({
    apiVersion: 'podmotion.io/v1alpha1',
    kind: 'PodMigration',
    metadata: { namespace, name, uid: `uid-${name}`, creationTimestamp: at(-60_000), ...wish.metadata },
    spec: { podName, podNamespace: namespace, ...wish.spec },
    ...(wish.status ? { status: wish.status } : {}),
  })
}

/** An open move that keeps room. */
export function reserving(key: string, podName: string, nodeName: string, cpuMillis: number, memoryBytes = 0): PodMigration {
  return migration(key, podName, {
    status: { phase: 'PreCopyMemory', reservation: { nodeName, cpuMillis, memoryBytes }, destinationNode: nodeName },
  })
}
