// The pin that a received pod carries: its required node affinity names the one node that was reserved for it. Ours, not the user's. Pure.
import type { V1NodeAffinity, V1NodeSelectorTerm, V1Pod } from '@kubernetes/client-node'
import { annotations } from '../api/names.ts'

const pinKey = 'metadata.name'

/** Terms are alternatives: each of them is pinned. */
export function pinnedTerms(terms: readonly V1NodeSelectorTerm[] | undefined, nodeName: string): V1NodeSelectorTerm[] {
  const pin = { key: pinKey, operator: 'In', values: [nodeName] }
  if (!terms?.length) return [{ matchFields: [pin] }]
  return terms.map((term) => ({ ...term, matchFields: [...(term.matchFields ?? []), pin] }))
}

/** The pod as its user wrote it: one that was received before may be moved on to any node that its own rules allow. */
export function withoutPin(pod: V1Pod): V1Pod {
  const nodeAffinity = pod.spec?.affinity?.nodeAffinity
  if (!pod.metadata?.annotations?.[annotations.migration] || !pod.spec || !nodeAffinity) return pod
  return { ...pod, spec: { ...pod.spec, affinity: { ...pod.spec.affinity, nodeAffinity: unpinned(nodeAffinity) } } }
}

function unpinned(affinity: V1NodeAffinity): V1NodeAffinity {
  const { requiredDuringSchedulingIgnoredDuringExecution: required, ...preferred } = affinity
  const terms = (required?.nodeSelectorTerms ?? []).map(unpinnedTerm).filter((term) => Object.keys(term).length > 0)
  return terms.length === 0 ? preferred : { ...preferred, requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } }
}

function unpinnedTerm({ matchFields, ...term }: V1NodeSelectorTerm): V1NodeSelectorTerm {
  const kept = (matchFields ?? []).filter((field) => field.key !== pinKey)
  return kept.length > 0 ? { ...term, matchFields: kept } : term
}
