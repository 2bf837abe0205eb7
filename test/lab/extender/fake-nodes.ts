// Nodes that exist in the API only, and pods for them: what kube-scheduler and the extender look at, and nobody runs.
import { isAlreadyExists, type KubeClient } from '../../../src/kube/client.ts'
import { nodeMigrationCapacityPath, nodePath } from '../../../src/kube/paths.ts'

export const fakeLabel = 'example.com/fake'

export interface FakeNode {
  name: string
  cpu?: string
  memory?: string
  annotations?: Record<string, string>
}

export function fakeNode({ name, cpu = '32', memory = '128Gi', annotations = {} }: FakeNode) {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'kubernetes.io/hostname': name, [fakeLabel]: 'true' }, annotations },
    status: {
      capacity: { cpu, memory, pods: '250' },
      allocatable: { cpu, memory, pods: '250' },
      conditions: [{ type: 'Ready', status: 'True', reason: 'Fake', message: 'there is no kubelet' }],
    },
  }
}

/** The agent's report of such a node. */
export async function reportCapacity(client: KubeClient, name: string): Promise<void> {
  await client.create(nodeMigrationCapacityPath(), {
    apiVersion: 'podmotion.io/v1alpha1',
    kind: 'NodeMigrationCapacity',
    metadata: { name },
    spec: { nodeName: name },
  })
  await client.mergePatch(nodeMigrationCapacityPath(name, 'status'), {
    status: { eligible: true, reasons: [], kernel: '6.12.1', observedAt: new Date().toISOString() },
  })
}

export interface FakePod {
  cpu?: string
  memory?: string
  runtimeClassName?: string
  /** The only node that it may go to. */
  only?: string
  priorityClassName?: string
}

/** It bears every taint: without a kubelet the nodes get some. */
export function fakePod(name: string, { cpu = '100m', memory = '64Mi', only, ...spec }: FakePod = {}) {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels: { [fakeLabel]: 'true' } },
    spec: {
      ...spec,
      nodeSelector: { [fakeLabel]: 'true', ...(only ? { 'kubernetes.io/hostname': only } : {}) },
      tolerations: [{ operator: 'Exists' }],
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'app', image: 'example.com/app:1', resources: { requests: { cpu, memory } } }],
    },
  }
}

export async function createNodes(client: KubeClient, nodes: readonly FakeNode[]): Promise<void> {
  await inParallel(nodes, async (node) => {
    try {
      await client.create(nodePath(), fakeNode(node))
    } catch (error) {
      // Left over from a run that was ended.
      if (!isAlreadyExists(error)) throw error
    }
  })
}

/** The API server has room for many at once. */
export async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<unknown>, atOnce = 24): Promise<void> {
  const waiting = [...items].reverse()
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let item = waiting.pop(); item !== undefined; item = waiting.pop()) await work(item)
    }),
  )
}
