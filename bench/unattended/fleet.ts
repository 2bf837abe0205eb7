// The cluster of the unattended run: kwok's nodes, the agents' reports of them, and pods that are bound already, an app's beside each other.
import { setTimeout as sleep } from 'node:timers/promises'
import type { V1Pod } from '@kubernetes/client-node'
import { runtimeClassName } from '../../src/api/names.ts'
import type { KubeClient } from '../../src/kube/client.ts'
import { nodeMigrationCapacityPath, podPath } from '../../src/kube/paths.ts'
import { createNodes, fakePod, inParallel, reportCapacity } from '../../test/lab/extender/fake-nodes.ts'
import { podsOfApp } from './load.ts'

export interface Fleet {
  nodeCount: number
  podCount: number
}

export const nodeCpuMillis = 8000
const numberLabel = 'test.podmotion.io/number'
const reportEveryMs = 30_000
/** Pods of an app that are on one node: it feels it when the app gets busy. */
const together = 5

export function nodeNameOf(number: number): string {
  return `kwok-${number}`
}

/** Where the pod is before anybody moves it. */
export function homeOf(pod: number, { nodeCount, podCount }: Fleet): string {
  const block = Math.floor(pod / together)
  return nodeNameOf((block * (podsOfApp / together + 3)) % Math.min(nodeCount, Math.ceil(podCount / together)))
}

export async function createFleet(client: KubeClient, fleet: Fleet, say: (text: string) => void): Promise<void> {
  const nodes = Array.from({ length: fleet.nodeCount }, (_none, number) => ({ name: nodeNameOf(number), cpu: '8', memory: '32Gi' }))
  await createNodes(client, nodes)
  await inParallel(nodes, async ({ name }) => {
    if (!(await exists(client, nodeMigrationCapacityPath(name)))) await reportCapacity(client, name)
  })
  say(`${nodes.length} nodes`)
  const { items } = await client.list<V1Pod>(podPath('default'))
  const left = new Set(items.map(numberOf))
  const pods = Array.from({ length: fleet.podCount }, (_none, number) => number).filter((pod) => !left.has(pod))
  await inParallel(pods, (pod) => client.create(podPath('default'), boundPod(pod, 0, homeOf(pod, fleet))))
  say(`${pods.length} pods`)
}

/** Left over from a run that was ended. */
async function exists(client: KubeClient, path: string): Promise<boolean> {
  return await client.get(path).then(
    () => true,
    () => false,
  )
}

/** As agents do twice a minute: a node whose agent is silent gets no pod. */
export async function keepReporting(client: KubeClient, { nodeCount }: Fleet, signal: AbortSignal): Promise<void> {
  const names = Array.from({ length: nodeCount }, (_none, number) => nodeNameOf(number))
  while (!signal.aborted) {
    const beganMs = performance.now()
    const report = { status: { observedAt: new Date().toISOString() } }
    await inParallel(names, (name) => client.mergePatch(nodeMigrationCapacityPath(name, 'status'), report).catch(() => undefined), 4)
    await sleep(Math.max(0, reportEveryMs - (performance.now() - beganMs)), undefined, { signal }).catch(() => undefined)
  }
}

/** The `moves`th successor of a pod has its number and a name of its own, as a moved pod has. */
export function boundPod(pod: number, moves: number, nodeName: string): V1Pod {
  const made = fakePod(`app-${Math.floor(pod / podsOfApp)}-${pod}${moves > 0 ? `-${moves}` : ''}`, {
    cpu: '200m',
    memory: '256Mi',
    runtimeClassName,
  })
  return {
    ...made,
    metadata: { ...made.metadata, labels: { ...made.metadata.labels, [numberLabel]: String(pod) } },
    spec: { ...made.spec, nodeName },
  }
}

export function numberOf(pod: V1Pod): number {
  return Number(pod.metadata?.labels?.[numberLabel])
}

/** How often it was moved: its name says so. */
export function movesOf(pod: V1Pod): number {
  return Number(/^app-\d+-\d+-(\d+)$/.exec(pod.metadata?.name ?? '')?.[1] ?? 0)
}
