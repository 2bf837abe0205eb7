// The controller's dependencies for tests: the real client and the real caches against the small API server.
import { setMaxListeners } from 'node:events'
import type { ControllerCaches, ControllerDeps } from '../../src/controller-deps.ts'
import { KubeClient } from '../../src/kube/client.ts'
import * as paths from '../../src/kube/paths.ts'
import { WatchCache } from '../../src/kube/watch-cache.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { FakeApiServer, type FakeObject } from '../kube/fake-api-server.ts'

export interface TestCluster {
  server: FakeApiServer
  deps: ControllerDeps
  write(path: string, object: object): void
  /** Starts the caches and waits for their first list. */
  sync(): Promise<void>
  stop(): void
}

export async function testCluster(clock: Clock, tlsDir = ''): Promise<TestCluster> {
  const server = new FakeApiServer()
  const client = KubeClient.fromUrl(await server.start())
  const ending = new AbortController()
  setMaxListeners(0, ending.signal)
  const caches: ControllerCaches = {
    pods: new WatchCache(client, paths.podPath()),
    nodes: new WatchCache(client, paths.nodePath()),
    services: new WatchCache(client, paths.servicePath()),
    replicaSets: new WatchCache(client, paths.replicaSetPath()),
    pdbs: new WatchCache(client, paths.pdbPath()),
    migrations: new WatchCache(client, paths.podMigrationPath()),
    capacities: new WatchCache(client, paths.nodeMigrationCapacityPath()),
    policies: new WatchCache(client, paths.migrationPolicyPath()),
    webhookConfigs: new WatchCache(client, paths.migrationWebhookConfigPath()),
  }
  return {
    server,
    deps: { client, clock, namespace: 'podmotion', identity: 'podmotion-controller-0', tlsDir, caches },
    write: (path, object) => void server.write(path, object as Partial<FakeObject>),
    sync: async () => {
      await Promise.all(Object.values(caches).map((cache: WatchCache<unknown>) => cache.start(ending.signal)))
    },
    stop: () => {
      ending.abort()
      server.stop()
    },
  }
}

/** Asks again until the answer is as expected; after two seconds it is what it is, and the test says what it was. */
export async function until<T>(ask: () => Promise<T> | T, expected: (answer: T) => boolean): Promise<T> {
  const deadlineMs = Date.now() + 2000
  for (;;) {
    const answer = await ask()
    if (expected(answer)) return answer
    if (Date.now() > deadlineMs) throw new Error(`still ${JSON.stringify(answer)}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
