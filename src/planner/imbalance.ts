// How uneven the nodes are used: squared distances from the even share, their root in percent points, and what a move changes.
import type { Model } from './model.ts'
import type { Placement } from './placement.ts'

export interface Imbalance {
  /** Root mean square distance from the even share, over all resources, in percent points. */
  total: number
  byResource: Record<string, number>
  /** Of the fullest node, in percent. */
  fullestByResource: Record<string, number>
}

/** The share of each balanced resource that all balanced nodes would have if loads could be cut at will. */
export function evenShares(placement: Placement): Float64Array {
  const { nodes, balanced, loadRoom } = placement.model
  const width = balanced.length
  return Float64Array.from(balanced, (_name, offset) => {
    let load = 0
    let room = 0
    nodes.forEach(({ isBalanced }, node) => {
      const own = loadRoom[node * width + offset] as number
      if (!isBalanced || own <= 0) return
      load += placement.load[node * width + offset] as number
      room += own
    })
    return room > 0 ? load / room : 0
  })
}

/** Sum over balanced nodes and resources of the squared distance from the even share. */
export function unevenness(placement: Placement, shares: Float64Array): number {
  let sum = 0
  for (let node = 0; node < placement.model.nodes.length; node++) sum += nodeUnevenness(placement, shares, node)
  return sum
}

export function nodeUnevenness({ model, load }: Placement, shares: Float64Array, node: number): number {
  const width = shares.length
  if (!(model.nodes[node] as Model['nodes'][number]).isBalanced) return 0
  let sum = 0
  for (let offset = 0; offset < width; offset++) {
    const room = model.loadRoom[node * width + offset] as number
    if (room <= 0) continue
    const distance = (load[node * width + offset] as number) / room - (shares[offset] as number)
    sum += distance * distance
  }
  return sum
}

/** How much less uneven all is when the pod goes from where it is to the node. */
export function gainOf(placement: Placement, shares: Float64Array, pod: number, to: number): number {
  const from = placement.at[pod] as number
  return -changeOn(placement, shares, from, pod, -1) - changeOn(placement, shares, to, pod, 1)
}

/** Change of one node's unevenness when a pod's load comes (1) or goes (-1). */
export function changeOn({ model, load }: Placement, shares: Float64Array, node: number, pod: number, sign: 1 | -1): number {
  const width = shares.length
  if (!(model.nodes[node] as Model['nodes'][number]).isBalanced) return 0
  let change = 0
  for (let offset = 0; offset < width; offset++) {
    const room = model.loadRoom[node * width + offset] as number
    if (room <= 0) continue
    const step = (sign * (model.load[pod * width + offset] as number)) / room
    const distance = (load[node * width + offset] as number) / room - (shares[offset] as number)
    change += step * (2 * distance + step)
  }
  return change
}

export function imbalanceOf(placement: Placement): Imbalance {
  const { nodes, balanced, loadRoom } = placement.model
  const shares = evenShares(placement)
  const width = balanced.length
  const byResource: Record<string, number> = {}
  const fullestByResource: Record<string, number> = {}
  let squares = 0
  let count = 0
  balanced.forEach((name, offset) => {
    const used = nodes.flatMap(({ isBalanced }, node) => {
      const room = loadRoom[node * width + offset] as number
      return isBalanced && room > 0 ? [(placement.load[node * width + offset] as number) / room] : []
    })
    const sum = used.reduce((total, share) => total + (share - (shares[offset] as number)) ** 2, 0)
    byResource[name] = percentPoints(Math.sqrt(sum / Math.max(1, used.length)))
    fullestByResource[name] = percentPoints(used.reduce((most, share) => Math.max(most, share), 0))
    squares += sum
    count += used.length
  })
  return { total: percentPoints(Math.sqrt(squares / Math.max(1, count))), byResource, fullestByResource }
}

function percentPoints(share: number): number {
  return Math.round(share * 10_000) / 100
}
