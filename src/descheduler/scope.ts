// Which pods a policy or webhook configuration speaks for, and which of several speaks.
import type { V1Pod } from '@kubernetes/client-node'
import type { LabelSelector } from '../api/migration-policy.ts'
import { matchesSelector } from '../extender/label-selector.ts'
import type { NamespaceLabels } from './namespaces.ts'

export interface Scoped {
  namespaceSelector?: LabelSelector | undefined
  podSelector?: LabelSelector | undefined
}

/** An absent selector leaves nobody out. */
export function inScope(scope: Scoped, pod: V1Pod, namespaceLabels: NamespaceLabels): boolean {
  return (
    (scope.namespaceSelector === undefined || matchesSelector(scope.namespaceSelector, namespaceLabels)) &&
    (scope.podSelector === undefined || matchesSelector(scope.podSelector, pod.metadata?.labels))
  )
}

/** Naming pods is more specific than naming namespaces. */
export function specificity(scope: Scoped): number {
  return (hasTerms(scope.podSelector) ? 2 : 0) + (hasTerms(scope.namespaceSelector) ? 1 : 0)
}

function hasTerms(selector: LabelSelector | undefined): boolean {
  return Object.keys(selector?.matchLabels ?? {}).length + (selector?.matchExpressions?.length ?? 0) > 0
}
