// The caches of the controller: which resources it keeps in memory, and which of them have been read once.
import { once, setMaxListeners } from 'node:events'
import type { ControllerCaches } from './controller-deps.ts'
import type { KubeClient } from './kube/client.ts'
import {
  migrationPolicyPath,
  migrationWebhookConfigPath,
  nodeMigrationCapacityPath,
  nodePath,
  pdbPath,
  podMigrationPath,
  podPath,
  replicaSetPath,
  servicePath,
} from './kube/paths.ts'
import { WatchCache } from './kube/watch-cache.ts'

export function createCaches(client: KubeClient): ControllerCaches {
  return {
    pods: new WatchCache(client, podPath()),
    nodes: new WatchCache(client, nodePath()),
    services: new WatchCache(client, servicePath()),
    replicaSets: new WatchCache(client, replicaSetPath()),
    pdbs: new WatchCache(client, pdbPath()),
    migrations: new WatchCache(client, podMigrationPath()),
    capacities: new WatchCache(client, nodeMigrationCapacityPath()),
    policies: new WatchCache(client, migrationPolicyPath()),
    webhookConfigs: new WatchCache(client, migrationWebhookConfigPath()),
  }
}

/**
 * Resolves when everything was read once, or `ending` aborted. They follow the cluster until `serving` aborts: who is still answered when this
 * replica ends is answered from the present.
 */
export async function startCaches(caches: ControllerCaches, ending: AbortSignal, serving: AbortSignal = ending): Promise<void> {
  setMaxListeners(0, serving)
  const synced = Promise.all(Object.values(caches).map((cache) => cache.start(serving)))
  if (!ending.aborted) await Promise.race([synced, once(ending, 'abort')])
}

export function unsyncedCaches(caches: ControllerCaches): string[] {
  return Object.entries(caches)
    .filter(([, cache]) => !cache.synced)
    .map(([name]) => name)
}
