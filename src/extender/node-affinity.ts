// Does the pod's own wish (nodeSelector, required node affinity) allow a node?
import type { V1Node, V1NodeSelectorTerm, V1Pod } from '@kubernetes/client-node'
import type { Refusal } from '../api/pod-migration.ts'
import { matchesRequirement } from './label-selector.ts'

export function affinityRefusal(pod: V1Pod, node: V1Node): Refusal | undefined {
  for (const [key, value] of Object.entries(pod.spec?.nodeSelector ?? {})) {
    const found = node.metadata?.labels?.[key]
    if (found !== value)
      return {
        code: 'NodeSelector',
        message: `the pod selects nodes with ${key}=${value}, the node has ${found === undefined ? 'no such label' : `${key}=${found}`}`,
        remedy: 'label the node or choose another',
      }
  }
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  if (!required || required.nodeSelectorTerms.some((term) => matchesTerm(term, node))) return undefined
  return {
    code: 'NodeAffinity',
    message: 'no term of the required node affinity of the pod matches the labels of the node',
    remedy: 'label the node or choose another',
  }
}

/** A term without any requirement matches nothing, as in kube-scheduler. */
export function matchesTerm(term: V1NodeSelectorTerm, node: V1Node): boolean {
  const expressions = term.matchExpressions ?? []
  const fields = term.matchFields ?? []
  if (expressions.length + fields.length === 0) return false
  const asFields = { 'metadata.name': node.metadata?.name ?? '' }
  return (
    expressions.every((requirement) => matchesRequirement(requirement, node.metadata?.labels)) &&
    fields.every((requirement) => matchesRequirement(requirement, asFields))
  )
}
