// Rules between pods in one form: which pods a term speaks of, in which topology; equal terms of many pods are one.
import type { V1LabelSelector, V1Namespace, V1Pod, V1PodAffinityTerm } from '@kubernetes/client-node'
import { type Labels, matchesSelector, type Selector } from '../../extender/label-selector.ts'
import type { Topologies, Topology } from './topology.ts'

/** Pods that have the term stay away from those that it selects, or need one of them beside. */
type Kind = 'repels' | 'seeks'

export interface Term {
  repels: boolean
  seeks: boolean
  topology: Topology
  /** Pods that the selector selects, by domain: changed as pods move. */
  selected: Int32Array
  /** Pods that have this term, by domain. */
  owners: Int32Array
  selectedInAll: number
}

interface Selection {
  /** Undefined: any namespace that `matches` lets through. */
  namespaces: ReadonlySet<string> | undefined
  matches(namespace: string, labels: Labels): boolean
}

export type NamespaceLabelsOf = (namespace: string) => Record<string, string>

export class TermBook {
  readonly #topologies: Topologies
  readonly #labelsOf: NamespaceLabelsOf
  readonly #terms = new Map<string, Term>()
  readonly #byNamespace = new Map<string, [Term, Selection][]>()
  readonly #anywhere: [Term, Selection][] = []

  constructor(topologies: Topologies, labelsOf: NamespaceLabelsOf) {
    this.#topologies = topologies
    this.#labelsOf = labelsOf
  }

  ofAffinity(term: V1PodAffinityTerm, owner: V1Pod, kind: Kind): Term {
    const namespace = owner.metadata?.namespace ?? ''
    const own = term.namespaces?.length || term.namespaceSelector ? (term.namespaces ?? []) : [namespace]
    const selector = withLabelKeys(term.labelSelector, term.matchLabelKeys, term.mismatchLabelKeys, owner)
    const key = JSON.stringify([kind, term.topologyKey, own, term.namespaceSelector ?? null, selector ?? null])
    return this.#intern(key, term.topologyKey, kind, {
      namespaces: term.namespaceSelector ? undefined : new Set(own),
      matches: (candidate, labels) =>
        (own.includes(candidate) || matchesSelector(term.namespaceSelector as Selector | undefined, this.#labelsOf(candidate))) &&
        matchesSelector(selector, labels),
    })
  }

  /** A term that selects by something else than labels: only the pods that have it. */
  ofOwners(key: string, topologyKey: string): Term {
    return this.#intern(key, topologyKey, 'repels', { namespaces: new Set(), matches: () => false })
  }

  selecting(namespace: string, labels: Labels): Term[] {
    const found: Term[] = []
    for (const list of [this.#byNamespace.get(namespace) ?? [], this.#anywhere])
      for (const [term, selection] of list) if (selection.matches(namespace, labels)) found.push(term)
    return found
  }

  #intern(key: string, topologyKey: string, kind: Kind, selection: Selection): Term {
    const known = this.#terms.get(key)
    if (known) return known
    const topology = this.#topologies.of(topologyKey)
    const { domainCount } = topology
    const kinds = { repels: kind === 'repels', seeks: kind === 'seeks' }
    const term = { ...kinds, topology, selected: new Int32Array(domainCount), owners: new Int32Array(domainCount), selectedInAll: 0 }
    this.#terms.set(key, term)
    if (!selection.namespaces) this.#anywhere.push([term, selection])
    for (const namespace of selection.namespaces ?? []) {
      const list = this.#byNamespace.get(namespace)
      if (list) list.push([term, selection])
      else this.#byNamespace.set(namespace, [[term, selection]])
    }
    return term
  }
}

/** `matchLabelKeys` take the value from the pod itself (a rollout's pods among themselves). */
export function withLabelKeys(
  selector: V1LabelSelector | undefined,
  matching: readonly string[] | undefined,
  differing: readonly string[] | undefined,
  owner: V1Pod,
): Selector | undefined {
  if (!selector || (!matching?.length && !differing?.length)) return selector as Selector | undefined
  const requirement = (operator: string) => (key: string) => {
    const value = owner.metadata?.labels?.[key]
    return value === undefined ? [] : [{ key, operator, values: [value] }]
  }
  const more = [...(matching ?? []).flatMap(requirement('In')), ...(differing ?? []).flatMap(requirement('NotIn'))]
  return { ...(selector as Selector), matchExpressions: [...((selector as Selector).matchExpressions ?? []), ...more] }
}

export function namespaceLabels(namespaces: readonly V1Namespace[]): NamespaceLabelsOf {
  const known = new Map(namespaces.map(({ metadata }) => [metadata?.name ?? '', metadata?.labels ?? {}]))
  return (name) => ({ 'kubernetes.io/metadata.name': name, ...known.get(name) })
}
