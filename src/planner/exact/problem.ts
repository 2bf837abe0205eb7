// A small planning case as a mixed-integer programme: one 0/1 column for each pod and node, rows for room and rules. Pure.
import { addedPrice, type Prices } from '../cost.ts'
import type { Goal } from '../input.ts'
import type { Model } from '../model.ts'
import type { Placement } from '../placement.ts'
import { ruleRows } from './rule-rows.ts'

/** Sum of factor × column, compared with a number. */
export interface Row {
  terms: readonly (readonly [column: string, factor: number])[]
  sign: '<=' | '>=' | '='
  bound: number
}

/** A distance from the even share, whose square is paid. */
export interface Distance {
  column: string
  /** Its value where nothing moves: where the first tangents go. */
  start: number
}

export interface ExactProblem {
  objective: readonly (readonly [column: string, factor: number])[]
  rows: readonly Row[]
  distances: readonly Distance[]
  binaries: readonly string[]
  /** Column to pod and node. */
  places: Record<string, readonly [pod: number, node: number]>
}

export interface ExactQuestion {
  /** At home. */
  placement: Placement
  shares: Float64Array
  prices: Prices
  goal: Goal
  mostMoves: number
}

/** More columns than this and HiGHS does not prove much in seconds. */
const mostColumns = 1500

/** Undefined: too large for an exact answer, or not a goal that it is asked for. */
export function exactProblem(question: ExactQuestion): ExactProblem | undefined {
  const { placement, goal } = question
  if (goal.kind === 'consolidate') return undefined
  const columns = placesOf(placement)
  if (columns === undefined) return undefined
  const places = Object.fromEntries(
    [...columns].flatMap(([pod, nodes]) => nodes.map((node) => [columnOf(pod, node), [pod, node] as const])),
  )
  const { rows, distances } = distanceRows(question, columns)
  return {
    objective: priceTerms(question, columns),
    rows: [
      ...oneNodeRows(columns),
      ...roomRows(placement, columns),
      ...rows,
      ...moveRows(question, columns),
      ...ruleRows(placement.model, columns),
    ],
    distances,
    binaries: Object.keys(places),
    places,
  }
}

export function columnOf(pod: number, node: number): string {
  return `x${pod}_${node}`
}

/** Where each movable pod may be; its home counts, unless it is to be left. */
export type Places = ReadonlyMap<number, readonly number[]>

function placesOf({ model, at }: Placement): Places | undefined {
  const places = new Map<number, number[]>()
  let columns = 0
  for (const [pod, { stays, shape }] of model.pods.entries()) {
    if (stays !== undefined) continue
    const home = at[pod] as number
    const open = [...model.nodes.keys()].filter(
      (node) => model.nodes[node]?.isDestination && (node === home || model.rules.opens(shape, node)),
    )
    // Nobody moves a pod off a cordoned node to balance; one that has to leave and has nowhere to go makes the case unsolvable.
    if (open.length === 0) return undefined
    places.set(pod, open)
    columns += open.length
    if (columns > mostColumns) return undefined
  }
  return places
}

function oneNodeRows(places: Places): Row[] {
  return [...places].map(([pod, nodes]) => ({ terms: nodes.map((node) => [columnOf(pod, node), 1] as const), sign: '=', bound: 1 }))
}

/** As parts of the node: bytes beside millicores are no numbers for a solver. */
function roomRows({ model, used }: Placement, places: Places): Row[] {
  const width = model.resources.length
  return [...model.nodes.keys()].flatMap((node) =>
    model.resources.flatMap((_name, offset): Row[] => {
      const room = model.room[node * width + offset] as number
      const terms = [...places].flatMap(([pod, nodes]) => {
        const wanted = model.requests[pod * width + offset] as number
        return wanted > 0 && nodes.includes(node) ? [[columnOf(pod, node), wanted / Math.max(1, room)] as const] : []
      })
      const fixed = fixedAmount(model, used, model.requests, width, node, offset, places)
      return terms.length > 0 ? [{ terms, sign: '<=', bound: Math.max(0, (room - fixed) / Math.max(1, room)) }] : []
    }),
  )
}

/** What is on the node of pods that stay. */
function fixedAmount(
  model: Model,
  total: Float64Array,
  amounts: Float64Array,
  width: number,
  node: number,
  offset: number,
  places: Places,
): number {
  let fixed = total[node * width + offset] as number
  for (const pod of places.keys()) if (model.pods[pod]?.home === node) fixed -= amounts[pod * width + offset] as number
  return fixed
}

function distanceRows({ placement, shares }: ExactQuestion, places: Places): { rows: Row[]; distances: Distance[] } {
  const { model, load } = placement
  const width = model.balanced.length
  const rows: Row[] = []
  const distances: Distance[] = []
  for (const [node, { isBalanced }] of model.nodes.entries())
    for (let offset = 0; offset < width; offset++) {
      const room = model.loadRoom[node * width + offset] as number
      if (!isBalanced || room <= 0) continue
      const column = `d${node}_${offset}`
      const loads = [...places].flatMap(([pod, nodes]) => {
        const own = model.load[pod * width + offset] as number
        return own > 0 && nodes.includes(node) ? [[columnOf(pod, node), -own / room] as const] : []
      })
      const fixed = fixedAmount(model, load, model.load, width, node, offset, places)
      const share = shares[offset] as number
      rows.push({ terms: [[column, 1], ...loads], sign: '=', bound: fixed / room - share })
      distances.push({ column, start: (load[node * width + offset] as number) / room - share })
    }
  return { rows, distances }
}

function priceTerms({ placement, prices }: ExactQuestion, places: Places): [string, number][] {
  return [...places].flatMap(([pod, nodes]) =>
    nodes.flatMap((node): [string, number][] =>
      node === placement.at[pod] ? [] : [[columnOf(pod, node), addedPrice(placement, prices, pod, node)]],
    ),
  )
}

function moveRows({ placement, goal, mostMoves }: ExactQuestion, places: Places): Row[] {
  if (goal.kind !== 'balance') return []
  const terms = [...places].flatMap(([pod, nodes]) =>
    nodes.filter((node) => node !== placement.at[pod]).map((node) => [columnOf(pod, node), 1] as const),
  )
  return terms.length > 0 ? [{ terms, sign: '<=', bound: mostMoves }] : []
}
