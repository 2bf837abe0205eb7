// Publishes what this node can do as its NodeMigrationCapacity: at once when it changes, else so often that a silent agent is noticed.
import { apiVersion } from '../api/names.ts'
import type { NodeMigrationCapacity, NodeMigrationCapacityStatus } from '../api/node-migration-capacity.ts'
import { isAlreadyExists, isNotFound, type KubeClient } from '../kube/client.ts'
import { nodeMigrationCapacityPath, nodePath } from '../kube/paths.ts'
import type { Clock } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import { log } from '../runtime/log.ts'

/** Readers take a node for away after two minutes. */
const publishEveryMs = 30_000
const lookEveryMs = 5000

export interface CapacityPublisher {
  client: KubeClient
  clock: Clock
  nodeName: string
  observe(): Promise<NodeMigrationCapacityStatus>
}

export async function publishCapacity(publisher: CapacityPublisher, signal: AbortSignal): Promise<void> {
  let said = ''
  let saidAtMs = 0
  while (!signal.aborted) {
    try {
      const status = await publisher.observe()
      const saying = JSON.stringify({ ...status, observedAt: '' })
      if (saying !== said || publisher.clock.nowMs() - saidAtMs >= publishEveryMs) {
        await publish(publisher, status)
        said = saying
        saidAtMs = publisher.clock.nowMs()
      }
    } catch (error) {
      log.warn({ node: publisher.nodeName, reason: messageOf(error) }, 'publishing the capacity failed')
    }
    await publisher.clock.sleep(lookEveryMs, signal)
  }
}

async function publish(publisher: CapacityPublisher, observed: NodeMigrationCapacityStatus): Promise<void> {
  const { client, nodeName } = publisher
  const status = { ...observed, observedAt: new Date(publisher.clock.nowMs()).toISOString() }
  const path = nodeMigrationCapacityPath(nodeName)
  try {
    await client.mergePatch(`${path}/status`, { status })
  } catch (error) {
    if (!isNotFound(error)) throw error
    await createCapacity(client, nodeName)
    await client.mergePatch(`${path}/status`, { status })
  }
}

/** Owned by its node: it goes when the node is deleted. */
async function createCapacity(client: KubeClient, nodeName: string): Promise<void> {
  const node = await client.get<{ metadata: { uid: string } }>(nodePath(nodeName))
  const owner = { apiVersion: 'v1', kind: 'Node', name: nodeName, uid: node.metadata.uid }
  const capacity: NodeMigrationCapacity & { apiVersion: string; kind: string; metadata: { ownerReferences: unknown[] } } = {
    apiVersion,
    kind: 'NodeMigrationCapacity',
    metadata: { name: nodeName, ownerReferences: [owner] },
    spec: { nodeName },
  }
  await client.create(nodeMigrationCapacityPath(), capacity).catch((error: unknown) => {
    if (!isAlreadyExists(error)) throw error
  })
}
