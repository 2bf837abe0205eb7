// Which of several policies speaks for a pod: the one it names, else the highest priority, else the most specific.
import type { V1Pod } from '@kubernetes/client-node'
import type { MigrationPolicy } from '../api/migration-policy.ts'
import { annotations } from '../api/names.ts'
import type { NamespaceLabels } from './namespaces.ts'
import { inScope, specificity } from './scope.ts'

/** A suspended policy still speaks, and says "no": that is how a user keeps some pods out of a wider policy. */
export function policyOfPod(
  pod: V1Pod,
  policies: readonly MigrationPolicy[],
  namespaceLabels: NamespaceLabels,
): MigrationPolicy | undefined {
  const named = pod.metadata?.annotations?.[annotations.policy]
  if (named !== undefined) return policies.find((policy) => policy.metadata.name === named)
  return policies.filter((policy) => inScope(policy.spec, pod, namespaceLabels)).sort(byWeight)[0]
}

function byWeight(one: MigrationPolicy, other: MigrationPolicy): number {
  return (
    other.spec.priority - one.spec.priority ||
    specificity(other.spec) - specificity(one.spec) ||
    (one.metadata.name < other.metadata.name ? -1 : 1)
  )
}
