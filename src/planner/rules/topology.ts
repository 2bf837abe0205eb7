// Which domain (zone, rack, host) a node belongs to, as numbers, for every topology key that a rule names.
import type { V1Node } from '@kubernetes/client-node'

export interface Topology {
  /** Domain of each node; -1: the node does not have the label. */
  domainOf: Int32Array
  domainCount: number
}

/** Not a label: every node is a domain of its own (host ports). */
export const eachNode = ''

export class Topologies {
  readonly #nodes: readonly V1Node[]
  readonly #byKey = new Map<string, Topology>()

  constructor(nodes: readonly V1Node[]) {
    this.#nodes = nodes
  }

  of(key: string): Topology {
    let topology = this.#byKey.get(key)
    if (!topology) {
      topology = key === eachNode ? everyNode(this.#nodes.length) : byLabel(this.#nodes, key)
      this.#byKey.set(key, topology)
    }
    return topology
  }
}

function everyNode(count: number): Topology {
  return { domainOf: Int32Array.from({ length: count }, (_none, node) => node), domainCount: count }
}

function byLabel(nodes: readonly V1Node[], key: string): Topology {
  const domains = new Map<string, number>()
  const domainOf = new Int32Array(nodes.length).fill(-1)
  nodes.forEach((node, position) => {
    const value = node.metadata?.labels?.[key]
    if (value === undefined) return
    let domain = domains.get(value)
    if (domain === undefined) {
      domain = domains.size
      domains.set(value, domain)
    }
    domainOf[position] = domain
  })
  return { domainOf, domainCount: domains.size }
}
