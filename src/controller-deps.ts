// What every room of the controller is given: the door to the API server, the clock, and the caches that answer from memory.
import type { V1Node, V1Pod, V1PodDisruptionBudget, V1ReplicaSet, V1Service } from '@kubernetes/client-node'
import type { MigrationPolicy } from './api/migration-policy.ts'
import type { MigrationWebhookConfig } from './api/migration-webhook-config.ts'
import type { NodeMigrationCapacity } from './api/node-migration-capacity.ts'
import type { PodMigration } from './api/pod-migration.ts'
import type { KubeClient } from './kube/client.ts'
import type { WatchCache } from './kube/watch-cache.ts'
import type { Clock } from './runtime/clock.ts'

export interface ControllerCaches {
  pods: WatchCache<V1Pod>
  nodes: WatchCache<V1Node>
  services: WatchCache<V1Service>
  replicaSets: WatchCache<V1ReplicaSet>
  pdbs: WatchCache<V1PodDisruptionBudget>
  migrations: WatchCache<PodMigration>
  capacities: WatchCache<NodeMigrationCapacity>
  policies: WatchCache<MigrationPolicy>
  webhookConfigs: WatchCache<MigrationWebhookConfig>
}

export interface ControllerDeps {
  client: KubeClient
  clock: Clock
  /** Default: Math.random; the simulation has its own dice. */
  random?: () => number
  /** Where podmotion itself runs. */
  namespace: string
  /** Name of this replica: its pod. */
  identity: string
  tlsDir: string
  /** How long images of Cold moves are kept on their source. Default: 0, not at all. */
  checkpointRetentionSeconds?: number
  caches: ControllerCaches
}
