// All strategies by the name that policies call them by.
import type { PolicyStrategy, StrategyName } from '../../api/migration-policy.ts'
import { highNodeUtilization } from './high-node-utilization/index.ts'
import { lowNodeUtilization } from './low-node-utilization/index.ts'
import { podLifeTime } from './pod-life-time/index.ts'
import { removeDuplicates } from './remove-duplicates/index.ts'
import { removeFailedPods } from './remove-failed-pods/index.ts'
import { removePodsHavingTooManyRestarts } from './remove-pods-having-too-many-restarts/index.ts'
import { removePodsViolatingInterPodAntiAffinity } from './remove-pods-violating-inter-pod-anti-affinity/index.ts'
import { removePodsViolatingNodeAffinity } from './remove-pods-violating-node-affinity/index.ts'
import { removePodsViolatingNodeTaints } from './remove-pods-violating-node-taints/index.ts'
import { removePodsViolatingTopologySpreadConstraint } from './remove-pods-violating-topology-spread-constraint/index.ts'
import type { Strategy } from './strategy.ts'

export const strategies: Readonly<Record<StrategyName, Strategy>> = {
  RemoveDuplicates: removeDuplicates,
  HighNodeUtilization: highNodeUtilization,
  RemovePodsViolatingTopologySpreadConstraint: removePodsViolatingTopologySpreadConstraint,
  RemovePodsViolatingInterPodAntiAffinity: removePodsViolatingInterPodAntiAffinity,
  RemovePodsViolatingNodeAffinity: removePodsViolatingNodeAffinity,
  RemovePodsViolatingNodeTaints: removePodsViolatingNodeTaints,
  RemovePodsHavingTooManyRestarts: removePodsHavingTooManyRestarts,
  PodLifeTime: podLifeTime,
  RemoveFailedPods: removeFailedPods,
  LowNodeUtilization: lowNodeUtilization,
}

/** Under which name a MigrationPolicy gives a strategy its arguments. */
export function argumentsKey(name: StrategyName): Exclude<keyof PolicyStrategy, 'name'> {
  return `${name.charAt(0).toLowerCase()}${name.slice(1)}` as Exclude<keyof PolicyStrategy, 'name'>
}
