// Why a pod stays where it is, whatever the goal; undefined: a plan may move it.
import type { V1Pod, V1PodDisruptionBudget } from '@kubernetes/client-node'
import { annotations } from '../api/names.ts'
import { type Labels, matchesSelector, type Selector } from '../extender/label-selector.ts'

// kube-scheduler's own: pods of system-cluster-critical and system-node-critical have at least this priority.
const systemCriticalPriority = 2_000_000_000

const optOuts: readonly [string, (value: string) => boolean][] = [
  [annotations.migrate, (value) => value === 'false'],
  ['komodor.com/podmotion-migrate', (value) => value === 'false'],
  ['komodor.com/podmotion-live-migrate', (value) => value === 'false'],
  ['cluster-autoscaler.kubernetes.io/safe-to-evict', (value) => value === 'false'],
  ['descheduler.alpha.kubernetes.io/prefer-no-eviction', () => true],
]

export function belongsToNode(pod: V1Pod): boolean {
  const owner = pod.metadata?.ownerReferences?.find(({ controller }) => controller)?.kind
  return owner === 'DaemonSet' || owner === 'Node' || pod.metadata?.annotations?.['kubernetes.io/config.mirror'] !== undefined
}

export function whyItStays(pod: V1Pod, budgets: Budgets): string | undefined {
  const { metadata, spec, status } = pod
  if (belongsToNode(pod)) return 'it belongs to its node (DaemonSet or static pod)'
  if (metadata?.deletionTimestamp) return 'it is being deleted'
  if (status?.phase !== undefined && status.phase !== 'Running') return `it is ${status.phase}`
  if ((spec?.priority ?? 0) >= systemCriticalPriority) return 'it is critical for the system'
  const annotation = optOuts.find(
    ([name, means]) => means(metadata?.annotations?.[name] ?? '') && metadata?.annotations?.[name] !== undefined,
  )
  if (annotation) return `annotation ${annotation[0]} is "${metadata?.annotations?.[annotation[0]]}"`
  return hostReason(pod) ?? budgets.reason(pod)
}

function hostReason({ spec }: V1Pod): string | undefined {
  const shared = (['hostNetwork', 'hostPID', 'hostIPC'] as const).find((field) => spec?.[field])
  if (shared) return `it uses ${shared} of its node`
  const volume = spec?.volumes?.find(({ hostPath }) => hostPath)
  return volume ? `volume ${volume.name} is a hostPath of its node` : undefined
}

/** PodDisruptionBudgets, by namespace. */
export class Budgets {
  readonly #byNamespace = new Map<string, V1PodDisruptionBudget[]>()

  constructor(budgets: readonly V1PodDisruptionBudget[]) {
    for (const budget of budgets) {
      const namespace = budget.metadata?.namespace ?? ''
      const list = this.#byNamespace.get(namespace)
      if (list) list.push(budget)
      else this.#byNamespace.set(namespace, [budget])
    }
  }

  /** A plan moves one pod of a budget after the other: one allowed disruption is enough, none is none. */
  reason({ metadata }: V1Pod): string | undefined {
    const strict = this.#byNamespace
      .get(metadata?.namespace ?? '')
      ?.find(({ spec, status }) => status?.disruptionsAllowed === 0 && selects(spec?.selector, metadata?.labels))
    return strict && `PodDisruptionBudget ${strict.metadata?.name} allows no disruption now`
  }
}

/** policy/v1: an empty selector selects all pods of the namespace, an absent one none. */
function selects(selector: unknown, labels: Labels): boolean {
  return matchesSelector((selector ?? undefined) as Selector | undefined, labels)
}
