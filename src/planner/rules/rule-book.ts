// What each kind of pod may do: nodes that are open to it, rules between pods, spread. Pods that are alike share one shape.
import type { V1Node, V1Pod, V1PodAffinityTerm } from '@kubernetes/client-node'
import { affinityRefusal } from '../../extender/node-affinity.ts'
import { withoutPin } from '../../extender/pin.ts'
import { taintRefusal } from '../../extender/taints.ts'
import type { VolumePlaces } from '../volume-places.ts'
import { type Spread, SpreadBook } from './spread.ts'
import { type NamespaceLabelsOf, type Term, TermBook } from './terms.ts'
import { eachNode, Topologies } from './topology.ts'

export interface Shape {
  pod: V1Pod
  repels: readonly Term[]
  seeks: readonly Term[]
  /** Terms of anybody that select this pod. */
  selectedBy: readonly Term[]
  spreads: readonly Spread[]
  spreadSelectedBy: readonly Spread[]
  /** By node: 1 allowed, 2 refused, 0 not asked yet. */
  nodes: Uint8Array
}

export class RuleBook {
  readonly #nodes: readonly V1Node[]
  readonly #terms: TermBook
  readonly #spreads: SpreadBook
  readonly #places: VolumePlaces
  readonly #shapes = new Map<string, Shape>()

  constructor(nodes: readonly V1Node[], labelsOf: NamespaceLabelsOf, places: VolumePlaces) {
    this.#nodes = nodes
    const topologies = new Topologies(nodes)
    this.#terms = new TermBook(topologies, labelsOf)
    this.#spreads = new SpreadBook(nodes, topologies)
    this.#places = places
  }

  /** First every pod's own rules; who is selected by whose is known once all are in (`close`). */
  shapeOf(given: V1Pod): Shape {
    const pod = withoutPin(given)
    const key = JSON.stringify([shapeParts(pod), this.#places.keyOf(pod)])
    const known = this.#shapes.get(key)
    if (known) return known
    const { podAntiAffinity, podAffinity } = pod.spec?.affinity ?? {}
    const terms = (kind: 'repels' | 'seeks', list: readonly V1PodAffinityTerm[] | undefined) =>
      (list ?? []).map((term) => this.#terms.ofAffinity(term, pod, kind))
    const shape: Shape = {
      pod,
      repels: [...terms('repels', podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution), ...this.#portTerms(pod)],
      seeks: terms('seeks', podAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
      selectedBy: [],
      spreads: (pod.spec?.topologySpreadConstraints ?? []).flatMap((constraint) => this.#spreads.of(constraint, pod) ?? []),
      spreadSelectedBy: [],
      nodes: new Uint8Array(this.#nodes.length),
    }
    this.#shapes.set(key, shape)
    return shape
  }

  close(): void {
    for (const shape of this.#shapes.values()) {
      const { namespace = '', labels } = shape.pod.metadata ?? {}
      shape.selectedBy = [...this.#terms.selecting(namespace, labels), ...this.#portTerms(shape.pod)]
      shape.spreadSelectedBy = this.#spreads.selecting(namespace, labels)
    }
  }

  /** Taints, node affinity, volumes: what does not change while pods move. */
  opens(shape: Shape, node: number): boolean {
    const known = shape.nodes[node]
    if (known) return known === 1
    const object = this.#nodes[node] as V1Node
    const open = !taintRefusal(shape.pod, object) && !affinityRefusal(shape.pod, object) && this.#places.allow(shape.pod, object)
    shape.nodes[node] = open ? 1 : 2
    return open
  }

  /** A host port repels every other pod with the same one. */
  #portTerms(pod: V1Pod): Term[] {
    return hostPorts(pod).map((port) => this.#terms.ofOwners(`host port ${port}`, eachNode))
  }
}

function shapeParts({ metadata, spec }: V1Pod): unknown[] {
  const { nodeSelector, affinity, tolerations, topologySpreadConstraints } = spec ?? {}
  return [
    metadata?.namespace,
    metadata?.labels,
    nodeSelector,
    affinity,
    tolerations,
    topologySpreadConstraints,
    hostPorts({ spec } as V1Pod),
  ]
}

function hostPorts(pod: V1Pod): string[] {
  return (pod.spec?.containers ?? []).flatMap(({ ports }) =>
    (ports ?? []).flatMap(({ hostPort, protocol }) => (hostPort ? [`${protocol ?? 'TCP'}/${hostPort}`] : [])),
  )
}
