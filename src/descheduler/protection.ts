// Which pods a MigrationPolicy protects besides those that cannot be moved, by the rules of the stock descheduler's default evictor.
import type { V1Pod } from '@kubernetes/client-node'
import type { DefaultEvictorArguments } from '../api/descheduler-arguments.ts'
import type { StockCluster } from './stock/cluster.ts'
import { priorityThresholdOf } from './stock/default-evictor/priority-threshold.ts'
import { type EvictorRules, evictorRules } from './stock/default-evictor/rules.ts'
import { schema } from './stock/default-evictor/schema.ts'

export interface PolicyProtection {
  isEvictable(pod: V1Pod): boolean
  mayLeave(pod: V1Pod): boolean
}

/** Pods that are moved live lose nothing of what the default rules guard; pods that are evicted do. Text says what is wrong. */
export function protectionOf(
  given: DefaultEvictorArguments | undefined,
  cluster: StockCluster,
  isEvicted: (pod: V1Pod) => boolean,
): PolicyProtection | string {
  const parsed = schema.safeParse(given ?? {})
  if (!parsed.success) return parsed.error.issues.map(({ path, message }) => ['evictor', ...path].join('.') + `: ${message}`).join('; ')
  const threshold = priorityThresholdOf(parsed.data, cluster.facts.priorityClasses)
  if (typeof threshold === 'string') return `evictor.priorityThreshold.name: ${threshold}`
  const rules = evictorRules(parsed.data, threshold, cluster)
  const rulesFor = (pod: V1Pod): EvictorRules | undefined => (given || isEvicted(pod) ? rules : undefined)
  return {
    isEvictable: (pod) => (rulesFor(pod)?.protecting(pod).length ?? 0) === 0,
    mayLeave: (pod) => rulesFor(pod)?.keeping(pod) === undefined,
  }
}
