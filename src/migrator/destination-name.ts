// The name of the destination pod: the family's base name and five characters of the migration, so that names never grow.
import type { V1Pod } from '@kubernetes/client-node'
import { annotations } from '../api/names.ts'

// Kubernetes' own limit for a name that is also a hostname label.
const longestName = 63
const suffixLength = 5

export function baseName(pod: V1Pod): string {
  return pod.metadata?.annotations?.[annotations.baseName] ?? pod.metadata?.name ?? ''
}

export function destinationPodName(pod: V1Pod, migrationUid: string): string {
  const suffix = migrationUid.replace(/[^a-z0-9]/g, '').slice(-suffixLength)
  const base = baseName(pod)
    .slice(0, longestName - suffixLength - 1)
    .replace(/[^a-z0-9]+$/, '')
  return `${base}-${suffix}`
}
