// Which pods a strategy looks at: namespaces and labelSelector, the arguments that most of them have.
import type { V1Pod } from '@kubernetes/client-node'
import type { NamespaceChoice } from '../../api/descheduler-arguments.ts'
import type { LabelSelector } from '../../api/label-selector.ts'
import { matchesSelector } from '../../extender/label-selector.ts'

export interface Selection {
  namespaces?: NamespaceChoice | undefined
  labelSelector?: LabelSelector | undefined
}

export function selects({ namespaces, labelSelector }: Selection, pod: V1Pod): boolean {
  const namespace = pod.metadata?.namespace ?? ''
  if (namespaces?.include?.length && !namespaces.include.includes(namespace)) return false
  if (namespaces?.exclude?.includes(namespace)) return false
  return labelSelector === undefined || matchesSelector(labelSelector, pod.metadata?.labels)
}
