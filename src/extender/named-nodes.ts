// Finds the nodes of the list of names that a scheduler sends, thousands at a time and mostly without looking one up.
import type { NodeFacts, NodeTable } from './node-facts.ts'

const [quote, comma, close] = [...Buffer.from('",]')] as [number, number, number]

export class NamedNodes {
  readonly #nodes: NodeTable
  /** Nodes are never forgotten, only emptied: what was found stays right until a new one comes. */
  readonly #lookedUp = new WeakMap<readonly string[], { nodeCount: number; nodes: readonly (NodeFacts | undefined)[] }>()

  constructor(nodes: NodeTable) {
    this.#nodes = nodes
  }

  /** The same names are asked about twice, to filter and to prioritize: they are looked up once. */
  of(names: readonly string[]): readonly (NodeFacts | undefined)[] {
    const known = this.#lookedUp.get(names)
    if (known?.nodeCount === this.#nodes.size) return known.nodes
    const nodes = names.map((name) => this.#nodes.get(name))
    this.#lookedUp.set(names, { nodeCount: this.#nodes.size, nodes })
    return nodes
  }

  /** The names of a JSON list and their nodes, mostly without looking one up. Undefined: it is no list of plain names. */
  read(json: Buffer): readonly string[] | undefined {
    const names: string[] = []
    const nodes: (NodeFacts | undefined)[] = []
    let before: NodeFacts | undefined
    for (let at = 1; ; at++) {
      let facts = before?.next
      if (facts && isAt(json, at, facts.quoted)) at += facts.quoted.length
      else {
        const end = json.indexOf(quote, at + 1)
        if (json[at] !== quote || end < 0) return undefined
        const name = json.toString('utf8', at + 1, end)
        if (name.includes('\\')) return undefined
        facts = this.#nodes.get(name)
        if (before) before.next = facts
        if (!facts) names.push(name)
        at = end + 1
      }
      if (facts) names.push(facts.name)
      nodes.push(facts)
      before = facts
      if (json[at] === comma) continue
      if (json[at] !== close || at !== json.length - 1) return undefined
      this.#lookedUp.set(names, { nodeCount: this.#nodes.size, nodes })
      return names
    }
  }
}

function isAt(json: Buffer, at: number, bytes: Buffer): boolean {
  // From its end: names of nodes begin alike.
  for (let position = bytes.length - 1; position >= 0; position--) if (json[at + position] !== bytes[position]) return false
  return true
}
