// The different spread constraints that the pods of a namespace have.
import type { V1Pod, V1TopologySpreadConstraint } from '@kubernetes/client-node'
import type { Selector } from '../../../extender/label-selector.ts'

export interface Constraint {
  maxSkew: number
  topologyKey: string
  selector: Selector | undefined
  /** One of the pods that have it: their rules for nodes are the same. */
  owner: V1Pod
  honorsAffinity: boolean
  honorsTaints: boolean
}

export function constraintsOf(pods: readonly V1Pod[], actions: readonly string[]): Constraint[] {
  const different = new Map<string, Constraint>()
  for (const pod of pods)
    for (const one of pod.spec?.topologySpreadConstraints ?? []) {
      if (!actions.includes(one.whenUnsatisfiable)) continue
      const constraint = constraintOf(one, pod)
      const key = keyOf(constraint)
      if (!different.has(key)) different.set(key, constraint)
    }
  return [...different.values()]
}

function constraintOf(one: V1TopologySpreadConstraint, owner: V1Pod): Constraint {
  return {
    maxSkew: one.maxSkew,
    topologyKey: one.topologyKey,
    selector: withLabelsOf(owner, one.matchLabelKeys ?? [], one.labelSelector),
    owner,
    honorsAffinity: (one.nodeAffinityPolicy ?? 'Honor') === 'Honor',
    honorsTaints: (one.nodeTaintsPolicy ?? 'Ignore') === 'Honor',
  }
}

/** matchLabelKeys: the pod's own values of these labels are part of the selector. */
function withLabelsOf(pod: V1Pod, keys: readonly string[], selector: Selector | undefined): Selector | undefined {
  const own = Object.entries(pod.metadata?.labels ?? {}).filter(([key]) => keys.includes(key))
  if (own.length === 0 || !selector) return selector
  return {
    ...selector,
    matchExpressions: [...(selector.matchExpressions ?? []), ...own.map(([key, value]) => ({ key, operator: 'In', values: [value] }))],
  }
}

function keyOf({ maxSkew, topologyKey, selector, owner, honorsAffinity, honorsTaints }: Constraint): string {
  const { nodeSelector, affinity, tolerations } = owner.spec ?? {}
  return JSON.stringify([
    maxSkew,
    topologyKey,
    selector && requirementsOf(selector),
    honorsAffinity,
    honorsTaints,
    honorsAffinity && [sorted(nodeSelector), affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution],
    honorsTaints && tolerations,
  ])
}

function requirementsOf({ matchLabels, matchExpressions }: Selector): string[] {
  const asRequirements = Object.entries(matchLabels ?? {}).map(([key, value]) => ({ key, operator: 'In', values: [value] }))
  return [...asRequirements, ...(matchExpressions ?? [])]
    .map(({ key, operator, values }) => JSON.stringify([key, operator, values?.toSorted()]))
    .sort()
}

function sorted(labels: { [key: string]: string } | undefined): [string, string][] {
  return Object.entries(labels ?? {}).sort(([one], [other]) => (one < other ? -1 : 1))
}
