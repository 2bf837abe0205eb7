// A migration by its own name, or the newest one of a pod by the pod's name (before or after the move).
import type { PodMigration } from '../api/pod-migration.ts'
import { isNotFound } from '../kube/client.ts'
import { podMigrationPath } from '../kube/paths.ts'
import { CodedError } from '../runtime/errors.ts'
import type { Invocation } from './invocation.ts'

export async function findMigration({ client, namespace, name = '' }: Invocation): Promise<PodMigration> {
  try {
    return await client.get<PodMigration>(podMigrationPath(namespace, name))
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
  const { items } = await client.list<PodMigration>(podMigrationPath(namespace))
  const ofPod = items.filter(({ spec, status }) => spec.podName === name || status?.destinationPodName === name)
  const newest = ofPod.toSorted((a, b) => createdAt(b).localeCompare(createdAt(a)))[0]
  if (newest) return newest
  const message = `Looking for a migration: namespace ${namespace} has neither a PodMigration nor a moved pod named "${name}": see kubectl podmotion list`
  throw new CodedError('NotFound', message)
}

export async function listMigrations({ client, namespace, options }: Invocation): Promise<PodMigration[]> {
  const { items } = await client.list<PodMigration>(podMigrationPath(options.allNamespaces ? undefined : namespace))
  return items.toSorted((a, b) => createdAt(a).localeCompare(createdAt(b)))
}

function createdAt({ metadata }: PodMigration): string {
  return metadata.creationTimestamp ?? ''
}
