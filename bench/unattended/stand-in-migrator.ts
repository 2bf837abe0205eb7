// Stands in for migrator and agents, which have nothing to move on kwok's nodes: keeps the reservation for as long as a move takes, then binds the pod's successor to the destination.
import { setTimeout as sleep } from 'node:timers/promises'
import type { V1Pod } from '@kubernetes/client-node'
import type { PodMigration, PodMigrationStatus } from '../../src/api/pod-migration.ts'
import type { KubeClient } from '../../src/kube/client.ts'
import { podMigrationPath, podPath } from '../../src/kube/paths.ts'
import type { WatchCache } from '../../src/kube/watch-cache.ts'
import { boundPod, movesOf, numberOf } from './fleet.ts'

/** As in the lab: validation, sandbox, copy, restore, cutover. */
const leastMoveMs = 4000
const mostMoveMs = 9000

export class StandInMigrator {
  readonly #client: KubeClient
  readonly #pods: WatchCache<V1Pod>
  readonly #begun = new Set<string>()
  inFlight = 0
  done = 0
  readonly errors: string[] = []

  constructor(client: KubeClient, pods: WatchCache<V1Pod>, migrations: WatchCache<PodMigration>) {
    this.#client = client
    this.#pods = pods
    migrations.onChange(({ type, object }) => {
      if (type !== 'deleted') void this.#begin(object)
    })
  }

  async #begin(migration: PodMigration): Promise<void> {
    const uid = migration.metadata.uid ?? ''
    if (migration.status?.phase !== undefined || this.#begun.has(uid)) return
    this.#begun.add(uid)
    this.inFlight++
    try {
      await this.#carryOut(migration)
      this.done++
    } catch (error) {
      this.errors.push(String(error))
      await this.#tell(migration, { phase: 'Failed', completedAt: now() }).catch(() => undefined)
    } finally {
      this.inFlight--
    }
  }

  async #carryOut(migration: PodMigration): Promise<void> {
    const { podNamespace, podName, targetNodeName = '' } = migration.spec
    const pod = this.#pods.get(podNamespace, podName)
    if (!pod?.spec?.nodeName) throw new Error(`Moving ${podNamespace}/${podName}: there is no such pod`)
    const nodes = { sourceNode: pod.spec.nodeName, destinationNode: targetNodeName }
    const reservation = { nodeName: targetNodeName, cpuMillis: 200, memoryBytes: 2 ** 28 }
    const source = { sourcePodName: podName, sourcePodUID: pod.metadata?.uid ?? '' }
    await this.#tell(migration, { phase: 'PreCopyMemory', startedAt: now(), ...nodes, ...source, reservation })
    await sleep(leastMoveMs + Math.random() * (mostMoveMs - leastMoveMs))
    const made = await this.#client.create<V1Pod>(podPath(podNamespace), boundPod(numberOf(pod), movesOf(pod) + 1, targetNodeName))
    await this.#client.delete(podPath(podNamespace, podName), { gracePeriodSeconds: 0 })
    const { name: destinationPodName = '', uid: destinationPodUID = '' } = made.metadata ?? {}
    await this.#tell(migration, { phase: 'Complete', completedAt: now(), destinationPodName, destinationPodUID })
  }

  async #tell({ metadata }: PodMigration, status: PodMigrationStatus): Promise<void> {
    await this.#client.mergePatch(podMigrationPath(metadata.namespace, metadata.name, 'status'), { status })
  }
}

function now(): string {
  return new Date().toISOString()
}
