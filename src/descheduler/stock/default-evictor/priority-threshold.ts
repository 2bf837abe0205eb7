// From which priority on pods are left alone.
import type { V1PriorityClass } from '@kubernetes/client-node'
import type { DefaultEvictorArguments } from '../../../api/descheduler-arguments.ts'

export const systemCriticalPriority = 2_000_000_000

/** Every cluster has these two; a snapshot need not. */
const builtIn: Record<string, number> = { 'system-cluster-critical': 2_000_000_000, 'system-node-critical': 2_000_001_000 }

/** Text says what is wrong with it. */
export function priorityThresholdOf(wish: DefaultEvictorArguments, classes: readonly V1PriorityClass[]): number | string {
  const { value, name } = wish.priorityThreshold ?? {}
  if (value !== undefined) return value
  if (!name) return systemCriticalPriority
  const found = classes.find(({ metadata }) => metadata?.name === name)?.value ?? builtIn[name]
  if (found === undefined) return `expected the name of a PriorityClass of the cluster, got "${name}"`
  if (found > systemCriticalPriority)
    return `expected a PriorityClass up to ${systemCriticalPriority}, got "${name}", whose value is ${found}`
  return found
}
