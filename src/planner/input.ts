// What a plan is made from: the objects of a cluster as the API server has them, and the goal.
import type {
  V1Namespace,
  V1Node,
  V1PersistentVolume,
  V1PersistentVolumeClaim,
  V1Pod,
  V1PodDisruptionBudget,
} from '@kubernetes/client-node'

export interface PodUsage {
  metadata?: { name?: string; namespace?: string }
  containers?: { name: string; usage: Record<string, string> }[]
}

export interface PlanningInput {
  nodes: readonly V1Node[]
  pods: readonly V1Pod[]
  pdbs?: readonly V1PodDisruptionBudget[]
  namespaces?: readonly V1Namespace[]
  persistentVolumeClaims?: readonly V1PersistentVolumeClaim[]
  persistentVolumes?: readonly V1PersistentVolume[]
  /** Real usage; pods without it count as what they request. */
  podMetrics?: readonly PodUsage[]
}

export type Goal = { kind: 'balance' } | { kind: 'consolidate' } | { kind: 'evacuate'; nodeNames: readonly string[] }
