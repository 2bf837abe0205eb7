// May a pod leave one node for another by the rules between pods, and the counts that say so.
import type { Model, ModelPod } from '../model.ts'
import type { Shape } from './rule-book.ts'
import { countSpread, spreadAllows, spreadBears } from './spread.ts'
import type { Term } from './terms.ts'

export function countShape(shape: Shape, node: number, change: 1 | -1): void {
  for (const term of shape.selectedBy) {
    const domain = term.topology.domainOf[node] as number
    term.selectedInAll += change
    if (domain >= 0) term.selected[domain] = (term.selected[domain] as number) + change
  }
  for (const list of [shape.repels, shape.seeks])
    for (const term of list) {
      const domain = term.topology.domainOf[node] as number
      if (domain >= 0) term.owners[domain] = (term.owners[domain] as number) + change
    }
  for (const spread of shape.spreadSelectedBy) countSpread(spread, node, change)
}

/** Everything but room. The pod is counted on `from`, and judged as if it were gone from there. */
export function rulesAllow(model: Model, pod: ModelPod, from: number, to: number): boolean {
  const { shape } = pod
  return (
    model.rules.opens(shape, to) &&
    repelledByNobody(shape, from, to) &&
    shape.seeks.every((term) => finds(shape, term, from, to)) &&
    shape.selectedBy.every((term) => isNotMissed(shape, term, from, to)) &&
    shape.spreads.every((spread) => spreadAllows(spread, from, to, shape.spreadSelectedBy.includes(spread))) &&
    shape.spreadSelectedBy.every((spread) => spreadBears(spread, from, to))
  )
}

function repelledByNobody(shape: Shape, from: number, to: number): boolean {
  for (const term of shape.repels) {
    const domain = term.topology.domainOf[to] as number
    if (domain < 0) continue
    const own = shape.selectedBy.includes(term) && term.topology.domainOf[from] === domain ? 1 : 0
    if ((term.selected[domain] as number) - own > 0) return false
  }
  for (const term of shape.selectedBy) {
    const domain = term.topology.domainOf[to] as number
    if (domain < 0 || !term.repels) continue
    const own = shape.repels.includes(term) && term.topology.domainOf[from] === domain ? 1 : 0
    if ((term.owners[domain] as number) - own > 0) return false
  }
  return true
}

/** The first of a group that wants to be with itself may be anywhere. */
function finds(shape: Shape, term: Term, from: number, to: number): boolean {
  const domain = term.topology.domainOf[to] as number
  if (domain < 0) return false
  const itself = shape.selectedBy.includes(term)
  const own = itself && term.topology.domainOf[from] === domain ? 1 : 0
  if ((term.selected[domain] as number) - own > 0) return true
  return itself && term.selectedInAll === 1
}

/** Somebody stays who must be with a pod like this: the last one does not leave. */
function isNotMissed(shape: Shape, term: Term, from: number, to: number): boolean {
  const domain = term.topology.domainOf[from] as number
  if (!term.seeks || domain < 0 || term.topology.domainOf[to] === domain) return true
  const owners = (term.owners[domain] as number) - (shape.seeks.includes(term) ? 1 : 0)
  return owners === 0 || (term.selected[domain] as number) > 1
}
