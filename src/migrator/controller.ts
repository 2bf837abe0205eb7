// The leader's part: every open migration is looked at whenever something about it changes, and the network wish is kept at the agents.
import type { V1Pod } from '@kubernetes/client-node'
import { isTerminal, phases } from '../api/phases.ts'
import type { PodMigration } from '../api/pod-migration.ts'
import type { ControllerDeps } from '../controller-deps.ts'
import { WorkQueue } from '../kube/work-queue.ts'
import { migrationsOpen } from '../runtime/metrics.ts'
import { createAgentClient } from './agent-client.ts'
import type { Agents } from './agents.ts'
import { syncCheckpoints } from './checkpoint-sync.ts'
import { syncNetwork } from './network-sync.ts'
import { followedPhases } from './phases/follow.ts'
import { isDestinationOf } from './pod-lookup.ts'
import { Reconciler } from './reconciler.ts'

// Passes mostly wait for answers; this many moves at once are followed without one waiting for another.
const concurrency = 16
const backoff = { baseBackoffMs: 200, maxBackoffMs: 10_000 }

/** Runs until the signal aborts. Only one replica at a time may be in here. */
export async function startMigrator(
  deps: ControllerDeps,
  signal: AbortSignal,
  agents: Agents = createAgentClient(deps.tlsDir),
): Promise<void> {
  const queue = new WorkQueue({ clock: deps.clock, random: deps.random, ...backoff, name: 'migrations' })
  const reconciler = new Reconciler(deps, agents)
  watch(deps, queue, signal)
  for (const migration of deps.caches.migrations.list()) queue.add(keyOf(migration))
  const handle = (key: string) => reconciler.reconcile(...splitKey(key))
  await Promise.all([queue.run(handle, { concurrency, signal }), syncNetwork(deps, agents, signal), syncCheckpoints(deps, agents, signal)])
}

function watch({ caches }: ControllerDeps, queue: WorkQueue, signal: AbortSignal): void {
  caches.migrations.onChange(({ object, type }) => {
    if (signal.aborted) return
    countOpen(caches.migrations.list())
    if (type !== 'deleted' && !isFollowed(object)) queue.add(keyOf(object))
  })
  caches.pods.onChange(({ object }) => {
    if (signal.aborted) return
    for (const migration of caches.migrations.list()) if (isAbout(migration, object) && !isFollowed(migration)) queue.add(keyOf(migration))
  })
}

/** While the agents act alone the machine only reports, and each report costs the freeze processor time: its own timer is enough. */
function isFollowed({ status }: PodMigration): boolean {
  return (followedPhases as readonly string[]).includes(status?.phase ?? '')
}

function isAbout({ metadata, spec, status }: PodMigration, pod: V1Pod): boolean {
  if (spec.podNamespace !== pod.metadata?.namespace) return false
  const isDestination = isDestinationOf(metadata.uid, pod)
  // Of one that has ended only a destination that comes too late is of interest.
  if (isTerminal(status?.phase)) return isDestination && status?.phase === 'RolledBack'
  return isDestination || spec.podName === pod.metadata.name
}

function keyOf({ metadata }: PodMigration): string {
  return `${metadata.namespace}/${metadata.name}`
}

function splitKey(key: string): [string, string] {
  const slash = key.indexOf('/')
  return [key.slice(0, slash), key.slice(slash + 1)]
}

function countOpen(migrations: readonly PodMigration[]): void {
  for (const phase of phases.filter((each) => !isTerminal(each))) {
    migrationsOpen.set({ phase }, migrations.filter((migration) => (migration.status?.phase ?? 'Pending') === phase).length)
  }
}
