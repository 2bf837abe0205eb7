// Required rules between pods (affinity, anti-affinity), both those of the pod and those that others have against it.
import type { V1Pod, V1PodAffinityTerm } from '@kubernetes/client-node'
import type { Refusal } from '../api/pod-migration.ts'
import type { ClusterIndex } from './cluster-index.ts'
import { matchesSelector } from './label-selector.ts'
import type { NodeFacts } from './node-facts.ts'
import { podKey } from './requests.ts'

/** Looked up once per pod, asked once per node. */
export type NeighbourRules = readonly ((node: NodeFacts) => Refusal | undefined)[]

export function neighbourRules(pod: V1Pod, index: ClusterIndex): NeighbourRules {
  return [...ownAntiAffinity(pod, index), ...othersAntiAffinity(pod, index), ...ownAffinity(pod, index)]
}

function ownAntiAffinity(pod: V1Pod, index: ClusterIndex): NeighbourRules {
  const terms = pod.spec?.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []
  return terms.map((term) => {
    const taken = domainsWith(term, pod, index)
    return (node) => (taken.has(domainOf(node, term) ?? '') ? antiAffinityRefusal(term, 'the pod refuses') : undefined)
  })
}

/** Gathered by topology key first: a cluster has many such pods and few keys. */
function othersAntiAffinity(pod: V1Pod, index: ClusterIndex): NeighbourRules {
  const guarded = new Map<string, Map<string, { term: V1PodAffinityTerm; who: string }>>()
  for (const guard of index.guardingPods) {
    if (podKey(guard.pod) === podKey(pod)) continue
    for (const term of guard.pod.spec?.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []) {
      const guardNode = index.node(guard.nodeName)
      const domain = guardNode && domainOf(guardNode, term)
      if (domain === undefined || !selects(term, guard.pod, pod)) continue
      const domains = guarded.get(term.topologyKey) ?? new Map()
      guarded.set(term.topologyKey, domains.set(domain, { term, who: `pod ${podKey(guard.pod)} refuses` }))
    }
  }
  return [...guarded].map(([topologyKey, domains]) => (node) => {
    const found = domains.get(node.node?.metadata?.labels?.[topologyKey] ?? '')
    return found && antiAffinityRefusal(found.term, found.who)
  })
}

function ownAffinity(pod: V1Pod, index: ClusterIndex): NeighbourRules {
  const terms = pod.spec?.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []
  return terms.map((term) => {
    const wanted = domainsWith(term, pod, index)
    // The first of a group that wants to be with itself may start anywhere, or it never could.
    const alone = wanted.size === 0 && selects(term, pod, pod)
    return (node) =>
      alone || wanted.has(domainOf(node, term) ?? '')
        ? undefined
        : {
            code: 'PodAffinity',
            message: `no pod that the required pod affinity asks for runs in its ${term.topologyKey}`,
            remedy: 'choose a node beside those pods, or set spec.affinityMode to ignore',
          }
  })
}

/** Topology values in which a matching pod runs, without the pod itself: it leaves its own. */
function domainsWith(term: V1PodAffinityTerm, pod: V1Pod, index: ClusterIndex): Set<string> {
  const domains = new Set<string>()
  for (const counted of index.pods) {
    if (podKey(counted.pod) === podKey(pod) || !selects(term, pod, counted.pod)) continue
    const node = index.node(counted.nodeName)
    const domain = node && domainOf(node, term)
    if (domain !== undefined) domains.add(domain)
  }
  return domains
}

/** Labels of namespaces are not known here: a namespaceSelector counts as all namespaces, which refuses rather too much than too little. */
function selects(term: V1PodAffinityTerm, owner: V1Pod, other: V1Pod): boolean {
  const namespaces = term.namespaces?.length ? term.namespaces : [owner.metadata?.namespace ?? '']
  return (
    (term.namespaceSelector !== undefined || namespaces.includes(other.metadata?.namespace ?? '')) &&
    matchesSelector(term.labelSelector, other.metadata?.labels)
  )
}

function domainOf(facts: NodeFacts, term: V1PodAffinityTerm): string | undefined {
  return facts.node?.metadata?.labels?.[term.topologyKey]
}

function antiAffinityRefusal(term: V1PodAffinityTerm, who: string): Refusal {
  return {
    code: 'PodAntiAffinity',
    message: `${who} by required anti-affinity to share its ${term.topologyKey}`,
    remedy: 'choose another node, or set spec.affinityMode to ignore',
  }
}
