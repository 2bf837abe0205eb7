// Topology spread constraints (DoNotSchedule): pods of each domain, and whether a move keeps them even enough.
import type { V1Node, V1Pod, V1TopologySpreadConstraint } from '@kubernetes/client-node'
import { type Labels, matchesSelector, type Selector } from '../../extender/label-selector.ts'
import { affinityRefusal } from '../../extender/node-affinity.ts'
import { taintRefusal } from '../../extender/taints.ts'
import { withLabelKeys } from './terms.ts'
import type { Topologies, Topology } from './topology.ts'

export interface Spread {
  topology: Topology
  maxSkew: number
  minDomains: number
  /** Nodes whose pods count, by the policies of the constraint. */
  counts: Uint8Array
  /** Domains that have such a node. */
  eligible: Uint8Array
  eligibleCount: number
  pods: Int32Array
}

interface Selection {
  namespace: string
  selector: Selector | undefined
}

export class SpreadBook {
  readonly #nodes: readonly V1Node[]
  readonly #topologies: Topologies
  readonly #spreads = new Map<string, Spread>()
  readonly #byNamespace = new Map<string, [Spread, Selection][]>()

  constructor(nodes: readonly V1Node[], topologies: Topologies) {
    this.#nodes = nodes
    this.#topologies = topologies
  }

  of(constraint: V1TopologySpreadConstraint, owner: V1Pod): Spread | undefined {
    if (constraint.whenUnsatisfiable !== 'DoNotSchedule') return undefined
    const selector = withLabelKeys(constraint.labelSelector, constraint.matchLabelKeys, undefined, owner)
    const selection = { namespace: owner.metadata?.namespace ?? '', selector }
    const { topologyKey, maxSkew, minDomains = 1, nodeAffinityPolicy = 'Honor', nodeTaintsPolicy = 'Ignore' } = constraint
    const affinity = nodeAffinityPolicy === 'Honor' ? [owner.spec?.nodeSelector, owner.spec?.affinity?.nodeAffinity] : []
    const tolerations = nodeTaintsPolicy === 'Honor' ? [owner.spec?.tolerations] : []
    const key = JSON.stringify([topologyKey, maxSkew, minDomains, selection, affinity, nodeTaintsPolicy, tolerations])
    const known = this.#spreads.get(key)
    if (known) return known
    const counts = Uint8Array.from(this.#nodes, (node) =>
      (nodeAffinityPolicy === 'Honor' && affinityRefusal(owner, node)) || (nodeTaintsPolicy === 'Honor' && taintRefusal(owner, node))
        ? 0
        : 1,
    )
    const spread = { maxSkew, minDomains, counts, ...domainsOf(this.#topologies.of(topologyKey), counts) }
    this.#spreads.set(key, spread)
    const list = this.#byNamespace.get(selection.namespace)
    if (list) list.push([spread, selection])
    else this.#byNamespace.set(selection.namespace, [[spread, selection]])
    return spread
  }

  selecting(namespace: string, labels: Labels): Spread[] {
    const list = this.#byNamespace.get(namespace) ?? []
    return list.filter(([, { selector }]) => matchesSelector(selector, labels)).map(([spread]) => spread)
  }
}

function domainsOf(topology: Topology, counts: Uint8Array): Pick<Spread, 'topology' | 'eligible' | 'eligibleCount' | 'pods'> {
  const eligible = new Uint8Array(topology.domainCount)
  counts.forEach((does, node) => {
    const domain = topology.domainOf[node] ?? -1
    if (does && domain >= 0) eligible[domain] = 1
  })
  return { topology, eligible, eligibleCount: eligible.reduce((sum, one) => sum + one, 0), pods: new Int32Array(topology.domainCount) }
}

export function countSpread(spread: Spread, node: number, change: 1 | -1): void {
  const domain = spread.topology.domainOf[node] ?? -1
  if (domain >= 0 && spread.counts[node]) spread.pods[domain] = (spread.pods[domain] ?? 0) + change
}

/** As kube-scheduler judges the newcomer, with the pod gone from where it was. */
export function spreadAllows(spread: Spread, from: number, to: number, selectsItself: boolean): boolean {
  const domain = spread.topology.domainOf[to] ?? -1
  if (domain < 0 || !spread.counts[to]) return false
  if (!selectsItself) return (spread.pods[domain] ?? 0) - extremes(spread).least <= spread.maxSkew
  countSpread(spread, from, -1)
  countSpread(spread, to, 1)
  const { least } = extremes(spread)
  const allowed = (spread.pods[domain] ?? 0) - least <= spread.maxSkew
  countSpread(spread, to, -1)
  countSpread(spread, from, 1)
  return allowed
}

/** Leaving may break it too: the domain that is left becomes the least. What is uneven already may not get worse. */
export function spreadBears(spread: Spread, from: number, to: number): boolean {
  const before = extremes(spread)
  countSpread(spread, from, -1)
  countSpread(spread, to, 1)
  const after = extremes(spread)
  countSpread(spread, to, -1)
  countSpread(spread, from, 1)
  return after.most - after.least <= Math.max(spread.maxSkew, before.most - before.least)
}

function extremes(spread: Spread): { least: number; most: number } {
  let least = Number.POSITIVE_INFINITY
  let most = 0
  const { pods, eligible } = spread
  for (let domain = 0; domain < pods.length; domain++) {
    if (!eligible[domain]) continue
    const count = pods[domain] as number
    if (count < least) least = count
    if (count > most) most = count
  }
  return { least: spread.eligibleCount < spread.minDomains || least === Number.POSITIVE_INFINITY ? 0 : least, most }
}
