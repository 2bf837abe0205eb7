// The PodMigration that an eviction becomes.
import type { V1Pod } from '@kubernetes/client-node'
import type { MigrationWebhookConfig } from '../../api/migration-webhook-config.ts'
import { apiVersion } from '../../api/names.ts'
import { drainedNodeAnnotation, madeByLabel, requestedByAnnotation } from '../made-by.ts'
import { freezeBudgetMs } from './decide-eviction.ts'

export interface EvictionOrigin {
  requestedBy: string
  nodeIsCordoned: boolean
}

export function migrationForEviction(name: string, pod: V1Pod, config: MigrationWebhookConfig, origin: EvictionOrigin) {
  const namespace = pod.metadata?.namespace ?? ''
  const nodeName = pod.spec?.nodeName
  return {
    apiVersion,
    kind: 'PodMigration' as const,
    metadata: {
      name,
      namespace,
      labels: { [madeByLabel]: 'drain' },
      annotations: {
        [requestedByAnnotation]: origin.requestedBy,
        ...(origin.nodeIsCordoned && nodeName ? { [drainedNodeAnnotation]: nodeName } : {}),
      },
    },
    spec: {
      podName: pod.metadata?.name ?? '',
      podNamespace: namespace,
      sourcePodUID: pod.metadata?.uid,
      tcpPreservationMode: config.spec.tcpPreservationMode,
      onNonConvergence: config.spec.onNonConvergence,
      completionTimeoutSeconds: config.spec.completionTimeoutSeconds,
      freezeWindowBudgetMs: freezeBudgetMs(pod, config),
    },
  }
}
