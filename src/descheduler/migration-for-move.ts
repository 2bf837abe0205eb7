// The PodMigration that a planned move becomes.
import type { MigrationPolicy } from '../api/migration-policy.ts'
import { apiVersion } from '../api/names.ts'
import type { PlannedMove } from './balance/plan.ts'
import { madeByLabel } from './made-by.ts'

/** Of a name's 253 characters: what is left for the policy's after the pod's UID and the number. */
const longestPolicyName = 200

export function migrationForMove(policy: MigrationPolicy, move: PlannedMove, takenNames: ReadonlySet<string>) {
  return {
    apiVersion,
    kind: 'PodMigration' as const,
    metadata: {
      name: freeName(policy.metadata.name, move.podUid, takenNames),
      namespace: move.namespace,
      labels: { [madeByLabel]: 'policy' },
    },
    spec: {
      // What a policy does by itself must not cost a connection, unless the policy says so.
      tcpPreservationMode: 'Strict',
      ...policy.spec.defaults,
      podName: move.podName,
      podNamespace: move.namespace,
      sourcePodUID: move.podUid,
      targetNodeName: move.toNode,
      migrationPolicyRef: { name: policy.metadata.name },
    },
  }
}

/** A policy of the stock descheduler is a file: nothing in the cluster that the migration could refer to. */
export function migrationForStockMove(
  move: Pick<PlannedMove, 'namespace' | 'podName' | 'podUid' | 'toNode'>,
  takenNames: ReadonlySet<string>,
) {
  return {
    apiVersion,
    kind: 'PodMigration' as const,
    metadata: {
      name: freeName('descheduler', move.podUid, takenNames),
      namespace: move.namespace,
      labels: { [madeByLabel]: 'policy' },
    },
    spec: {
      tcpPreservationMode: 'Strict',
      podName: move.podName,
      podNamespace: move.namespace,
      sourcePodUID: move.podUid,
      targetNodeName: move.toNode,
    },
  }
}

/** `<policy>-<first eight of the UID>-<n>`, n being the first that is free. */
function freeName(policyName: string, podUid: string, takenNames: ReadonlySet<string>): string {
  const stem = `${policyName.slice(0, longestPolicyName)}-${podUid.slice(0, 8)}`
  for (let number = 1; ; number++) if (!takenNames.has(`${stem}-${number}`)) return `${stem}-${number}`
}
