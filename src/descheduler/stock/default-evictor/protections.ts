// Why a pod is protected from being chosen: the default evictor's rules, each a question about one pod.
import type { V1Pod } from '@kubernetes/client-node'
import { type DefaultEvictorArguments, defaultPodProtections, type PodProtection } from '../../../api/descheduler-arguments.ts'
import { matchesSelector } from '../../../extender/label-selector.ts'
import type { StockCluster } from '../cluster.ts'
import { durationMs } from '../duration.ts'
import { hasOwnerOfKind, millis } from '../pod-facts.ts'
import { systemCriticalPriority } from './priority-threshold.ts'

/** Why it is protected; undefined: it is not. */
export type Protection = (pod: V1Pod) => string | undefined

export function protectionsOf(wish: DefaultEvictorArguments, priorityThreshold: number, cluster: StockCluster): Protection[] {
  const on = effectiveProtections(wish)
  const questions: Record<PodProtection, Protection> = {
    PodsWithLocalStorage: (pod) => (hasLocalStorage(pod) ? 'it has local storage' : undefined),
    DaemonSetPods: (pod) => (hasOwnerOfKind(pod, ['DaemonSet']) ? 'it is of a DaemonSet' : undefined),
    SystemCriticalPods: (pod) => criticality(pod, priorityThreshold),
    FailedBarePods: (pod) => (isBare(pod) ? 'nothing would create it again' : undefined),
    PodsWithPVC: (pod) => claimProtection(pod, wish, cluster),
    PodsWithoutPDB: (pod) => (isCoveredByPdb(pod, cluster) ? undefined : 'no PodDisruptionBudget covers it'),
    PodsWithResourceClaims: (pod) => (pod.spec?.resourceClaims?.length ? 'it has resource claims' : undefined),
  }
  return [
    ...[...on].map((name) => questions[name]),
    // Without that protection failed bare pods may go, others still not.
    ...(on.has('FailedBarePods') ? [] : [bareAndNotFailed]),
    ...policyProtections(wish, cluster),
  ]
}

function effectiveProtections(wish: DefaultEvictorArguments): Set<PodProtection> {
  const { extraEnabled = [], defaultDisabled = [] } = wish.podProtections ?? {}
  if (extraEnabled.length + defaultDisabled.length > 0)
    return new Set([...defaultPodProtections.filter((name) => !defaultDisabled.includes(name)), ...extraEnabled])
  const on = new Set<PodProtection>(defaultPodProtections)
  if (wish.evictLocalStoragePods) on.delete('PodsWithLocalStorage')
  if (wish.evictDaemonSetPods) on.delete('DaemonSetPods')
  if (wish.evictSystemCriticalPods) on.delete('SystemCriticalPods')
  if (wish.evictFailedBarePods) on.delete('FailedBarePods')
  if (wish.ignorePvcPods) on.add('PodsWithPVC')
  if (wish.ignorePodsWithoutPDB) on.add('PodsWithoutPDB')
  return on
}

function policyProtections(wish: DefaultEvictorArguments, cluster: StockCluster): Protection[] {
  const { labelSelector, minReplicas, minPodAge } = wish
  const protections: Protection[] = []
  if (labelSelector)
    protections.push((pod) =>
      matchesSelector(labelSelector, pod.metadata?.labels) ? undefined : 'its labels are not those of labelSelector',
    )
  if (minReplicas > 1) protections.push((pod) => replicaProtection(pod, minReplicas, cluster))
  if (minPodAge !== undefined) {
    const leastMs = durationMs(minPodAge) ?? 0
    protections.push((pod) => (isYounger(pod, leastMs, cluster.nowMs) ? `it is younger than minPodAge ${minPodAge}` : undefined))
  }
  return protections
}

function criticality(pod: V1Pod, priorityThreshold: number): string | undefined {
  const priority = pod.spec?.priority ?? undefined
  if (priority === undefined || priority < Math.min(priorityThreshold, systemCriticalPriority)) return undefined
  return priority >= systemCriticalPriority ? 'it is critical for the system' : `its priority ${priority} is not under ${priorityThreshold}`
}

/** Owners with several pods only; a pod with several owners cannot be counted. */
function replicaProtection(pod: V1Pod, minReplicas: number, cluster: StockCluster): string | undefined {
  const owners = pod.metadata?.ownerReferences ?? []
  const [owner] = owners
  if (!owner || owners.length > 1) return undefined
  const count = cluster.countOwnedBy(owner.uid)
  return count < minReplicas ? `its owner has ${count} pods, minReplicas is ${minReplicas}` : undefined
}

function isYounger(pod: V1Pod, leastMs: number, nowMs: number): boolean {
  return pod.status?.startTime === undefined || nowMs - millis(pod.status.startTime) < leastMs
}

function hasLocalStorage(pod: V1Pod): boolean {
  return pod.spec?.volumes?.some(({ hostPath, emptyDir }) => hostPath || emptyDir) ?? false
}

function isBare(pod: V1Pod): boolean {
  return !pod.metadata?.ownerReferences?.length
}

function bareAndNotFailed(pod: V1Pod): string | undefined {
  return isBare(pod) && pod.status?.phase !== 'Failed' ? 'nothing would create it again, and it has not failed' : undefined
}

/** With storage classes named, only claims of these protect; a claim whose class is not known protects too. */
function claimProtection(pod: V1Pod, wish: DefaultEvictorArguments, cluster: StockCluster): string | undefined {
  const claims = (pod.spec?.volumes ?? []).flatMap(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName ?? [])
  const classes = wish.podProtections?.config?.PodsWithPVC?.protectedStorageClasses ?? []
  if (classes.length === 0) return claims.length > 0 ? 'it uses a PersistentVolumeClaim' : undefined
  for (const name of claims) {
    const claim = cluster.facts.persistentVolumeClaims.find(
      ({ metadata }) => metadata?.name === name && metadata.namespace === pod.metadata?.namespace,
    )
    const storageClass = claim?.spec?.storageClassName
    if (!storageClass) return `the storage class of its claim ${name} is not known`
    if (classes.some((one) => one.name === storageClass)) return `its claim ${name} is of storage class ${storageClass}`
  }
  return undefined
}

function isCoveredByPdb(pod: V1Pod, cluster: StockCluster): boolean {
  return cluster.facts.pdbs.some(
    ({ metadata, spec }) => metadata?.namespace === pod.metadata?.namespace && matchesSelector(spec?.selector, pod.metadata?.labels),
  )
}
