// The rules between pods as rows: who keeps whom out of a domain, who needs whom in it, and how even a group is spread.
import type { Model } from '../model.ts'
import type { Spread } from '../rules/spread.ts'
import type { Term } from '../rules/terms.ts'
import { columnOf, type Places, type Row } from './problem.ts'

type Terms = (readonly [string, number])[]

/** Pods in a domain: those that may move as columns, those that stay as a number. */
interface Count {
  terms: Terms
  fixed: number
}

export function ruleRows(model: Model, places: Places): Row[] {
  const count = (pods: readonly number[], isIn: (node: number) => boolean) => countIn(model, places, pods, isIn)
  const terms = new Set(model.pods.flatMap(({ shape }) => [...shape.repels, ...shape.seeks]))
  const spreads = new Set(model.pods.flatMap(({ shape }) => shape.spreads))
  return [
    ...[...terms].flatMap((term) => termRows(model, term, count)),
    ...[...spreads].flatMap((spread) => spreadRows(model, spread, count)),
  ]
}

type CountOf = (pods: readonly number[], isIn: (node: number) => boolean) => Count

function countIn(model: Model, places: Places, pods: readonly number[], isIn: (node: number) => boolean): Count {
  const terms: Terms = []
  let fixed = 0
  for (const pod of pods) {
    const nodes = places.get(pod)
    if (nodes) for (const node of nodes.filter(isIn)) terms.push([columnOf(pod, node), 1])
    else if (isIn(model.pods[pod]?.home ?? -1)) fixed++
  }
  return { terms, fixed }
}

function termRows(model: Model, term: Term, count: CountOf): Row[] {
  const owners = podsWhere(model, ({ shape }) => shape.repels.includes(term) || shape.seeks.includes(term))
  const selected = podsWhere(model, ({ shape }) => shape.selectedBy.includes(term))
  const rows: Row[] = []
  for (let domain = 0; domain < term.topology.domainCount; domain++) {
    const isIn = (node: number) => term.topology.domainOf[node] === domain
    for (const owner of owners) {
      const others = count(
        selected.filter((pod) => pod !== owner),
        isIn,
      )
      const own = count([owner], isIn)
      if (own.terms.length === 0 && own.fixed === 0) continue
      rows.push(term.repels ? apart(own, others, selected.length) : beside(own, others))
    }
  }
  return rows
}

/** With the owner in the domain there may be none of the others: others ≤ all × (1 - own). */
function apart(own: Count, others: Count, all: number): Row {
  return {
    terms: [...others.terms, ...own.terms.map(([column]) => [column, all] as const)],
    sign: '<=',
    bound: Math.max(0, all - own.fixed * all - others.fixed),
  }
}

/** own ≤ others. */
function beside(own: Count, others: Count): Row {
  return { terms: [...own.terms, ...others.terms.map(([column]) => [column, -1] as const)], sign: '<=', bound: others.fixed - own.fixed }
}

function spreadRows(model: Model, spread: Spread, count: CountOf): Row[] {
  const pods = podsWhere(model, ({ shape }) => shape.spreadSelectedBy.includes(spread))
  const domains = [...spread.eligible.keys()].filter((domain) => spread.eligible[domain])
  const counts = domains.map((domain) => count(pods, (node) => spread.topology.domainOf[node] === domain && spread.counts[node] === 1))
  const now = domains.map((domain) => spread.pods[domain] ?? 0)
  const skew = Math.max(spread.maxSkew, Math.max(...now) - Math.min(...now))
  return counts.flatMap((more, one) =>
    counts.flatMap((less, other): Row[] =>
      one === other || more.terms.length + less.terms.length === 0
        ? []
        : [
            {
              terms: [...more.terms, ...less.terms.map(([column]) => [column, -1] as const)],
              sign: '<=',
              bound: skew - more.fixed + less.fixed,
            },
          ],
    ),
  )
}

function podsWhere(model: Model, is: (pod: Model['pods'][number]) => boolean): number[] {
  return model.pods.flatMap((pod, position) => (is(pod) ? [position] : []))
}
