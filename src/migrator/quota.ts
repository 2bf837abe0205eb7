// During a move two pods exist: would a ResourceQuota of the namespace refuse the second one?
import type { V1Pod, V1ResourceQuota } from '@kubernetes/client-node'
import type { Refusal } from '../api/pod-migration.ts'
import { parseAmount } from '../extender/quantity.ts'
import { podRequests } from '../extender/requests.ts'

export function quotaRefusals(pod: V1Pod, quotas: readonly V1ResourceQuota[]): Refusal[] {
  const needed = neededOf(pod)
  // Scoped quotas (priority classes, best effort) may not count this pod at all: admission of the real pod has the last word.
  const counted = quotas.filter((quota) => !quota.spec?.scopes?.length && !quota.spec?.scopeSelector)
  return counted.flatMap((quota) => Object.entries(needed).flatMap(([resource, amount]) => refusal(quota, resource, amount)))
}

function neededOf(pod: V1Pod): Record<string, number> {
  const { cpu = 0, memory = 0 } = podRequests(pod)
  return { pods: 1, 'count/pods': 1, 'requests.cpu': cpu, 'requests.memory': memory, cpu, memory }
}

function refusal(quota: V1ResourceQuota, resource: string, amount: number): Refusal[] {
  const hard = quota.status?.hard?.[resource]
  if (hard === undefined || amount === 0) return []
  const unit = resource.endsWith('cpu') ? 'cpu' : resource
  const used = quota.status?.used?.[resource] ?? '0'
  if (parseAmount(unit, used) + amount <= parseAmount(unit, hard)) return []
  return [
    {
      code: 'QuotaFull',
      message: `ResourceQuota ${quota.metadata?.name} has ${used} of ${hard} ${resource} in use; for the time of the move a second pod needs room too`,
      remedy: `raise ${resource} in the quota by what one pod needs`,
    },
  ]
}
