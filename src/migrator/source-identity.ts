// Whose pod the source is: its labels and owners, written onto the destination pod too, because the source may be deleted before the cutover.
import type { V1OwnerReference, V1Pod } from '@kubernetes/client-node'
import { annotations } from '../api/names.ts'

export interface SourceIdentity {
  labels: Record<string, string>
  ownerReferences: V1OwnerReference[]
}

export function identityOf(source: V1Pod): SourceIdentity {
  const labels = Object.entries(source.metadata?.labels ?? {}).filter(([name]) => !isOurs(name))
  return { labels: Object.fromEntries(labels), ownerReferences: source.metadata?.ownerReferences ?? [] }
}

/** As it was when the destination pod was made; undefined for a pod that does not say. */
export function writtenIdentity(destination: V1Pod | undefined): SourceIdentity | undefined {
  const text = destination?.metadata?.annotations?.[annotations.sourceIdentity]
  return text === undefined ? undefined : (JSON.parse(text) as SourceIdentity)
}

/** Labels of an earlier move stay with the pod that it made. */
function isOurs(label: string): boolean {
  return label.startsWith('podmotion.io/')
}

// The API server copies these from the node to each pod that is bound to it.
const labelsOfTheNode = ['topology.kubernetes.io/zone', 'topology.kubernetes.io/region']

export function missingLabels({ labels }: SourceIdentity, destination: V1Pod): Record<string, string> {
  const own = destination.metadata?.labels ?? {}
  const isSettled = (name: string, value: string): boolean => own[name] === value || (name in own && labelsOfTheNode.includes(name))
  return Object.fromEntries(Object.entries(labels).filter(([name, value]) => !isSettled(name, value)))
}
