// Consolidate: as many nodes as possible without a pod, emptied one after the other, cheapest first; then again in other orders.
import type { Limits } from '../limits.ts'
import type { Model } from '../model.ts'
import type { Placement } from '../placement.ts'
import { largestFirst, sizeOf } from './largest-first.ts'
import { makeRoom } from './make-room.ts'

interface Outcome {
  at: Int32Array
  emptied: number
  movedBytes: number
}

/** Leaves the best placement in `placement`. */
export function consolidate(placement: Placement, limits: Limits): void {
  const home = placement.at.slice()
  const candidates = emptiable(placement)
  const most = candidates.length - fewestNodes(placement, candidates)
  let best = attempt(placement, candidates, limits, () => 1)
  for (let idle = 0; idle < limits.patienceRounds && !limits.isOver(); idle++) {
    if (best.emptied >= most && idle > limits.patienceRounds / 10) break
    placement.become(home)
    const next = attempt(placement, candidates, limits, () => 0.5 + limits.chance())
    if (isBetter(next, best)) {
      best = next
      idle = -1
    }
  }
  placement.become(best.at)
}

function isBetter(one: Outcome, other: Outcome): boolean {
  return one.emptied > other.emptied || (one.emptied === other.emptied && one.movedBytes < other.movedBytes)
}

/** Nodes that have pods of their own accord, all of which may move. */
function emptiable({ model, podsOn }: Placement): number[] {
  return model.nodes.flatMap((_node, node) => {
    const pods = [...(podsOn[node] ?? [])].map((pod) => model.pods[pod] as Model['pods'][number]).filter(({ isOfNode }) => !isOfNode)
    return pods.length > 0 && pods.every(({ stays }) => stays === undefined) ? [node] : []
  })
}

/** No plan gets by with fewer: for each resource the largest nodes that hold what must be held. */
function fewestNodes({ model, podsOn, used }: Placement, candidates: readonly number[]): number {
  const width = model.resources.length
  const open = new Set(candidates)
  let most = 0
  for (let offset = 0; offset < width; offset++) {
    let wanted = 0
    for (const node of candidates)
      for (const pod of podsOn[node] ?? []) if (!model.pods[pod]?.isOfNode) wanted += model.requests[pod * width + offset] as number
    // What has room on nodes that stay in use anyway costs no node.
    model.nodes.forEach(({ isDestination }, node) => {
      if (isDestination && !open.has(node) && (podsOn[node]?.size ?? 0) > 0)
        wanted -= Math.max(0, (model.room[node * width + offset] as number) - (used[node * width + offset] as number))
    })
    const rooms = candidates.map((node) => model.room[node * width + offset] as number).sort((one, other) => other - one)
    let needed = 0
    for (const room of rooms) {
      if (wanted <= 0) break
      wanted -= room
      needed++
    }
    most = Math.max(most, needed)
  }
  return most
}

function attempt(placement: Placement, candidates: readonly number[], limits: Limits, noise: () => number): Outcome {
  const { model } = placement
  const cost = new Map(candidates.map((node) => [node, loadOf(placement, node) * noise()]))
  const order = [...candidates].sort((one, other) => (cost.get(one) ?? 0) - (cost.get(other) ?? 0) || one - other)
  const closed = new Set<number>()
  // Nothing goes to a node that has nothing: it would be one more in use.
  const inUse = new Set(model.nodes.keys())
  for (const node of inUse) if (![...(placement.podsOn[node] ?? [])].some((pod) => !model.pods[pod]?.isOfNode)) inUse.delete(node)
  for (const node of order) {
    if (limits.isOver()) break
    closed.add(node)
    if (!empty(placement, node, (third) => inUse.has(third) && !closed.has(third))) closed.delete(node)
  }
  return { at: placement.at.slice(), emptied: closed.size, movedBytes: bytesAway(placement) }
}

function empty(placement: Placement, node: number, mayReceive: (node: number) => boolean): boolean {
  const before = placement.at.slice()
  const pods = [...(placement.podsOn[node] ?? [])].filter((pod) => !placement.model.pods[pod]?.isOfNode)
  for (const pod of largestFirst(placement.model, pods)) {
    const to = fullestThatFits(placement, pod, mayReceive)
    if (to !== undefined) placement.move(pod, to)
    else if (!makeRoom(placement, pod, mayReceive)) {
      placement.become(before)
      return false
    }
  }
  return true
}

function fullestThatFits(placement: Placement, pod: number, mayReceive: (node: number) => boolean): number | undefined {
  let best: { fullness: number; node: number } | undefined
  for (let node = 0; node < placement.model.nodes.length; node++) {
    if (!mayReceive(node) || !placement.fits(pod, node)) continue
    const fullness = fullnessOf(placement, node)
    if ((!best || fullness > best.fullness) && placement.allows(pod, node)) best = { fullness, node }
  }
  return best?.node
}

function fullnessOf({ model, used }: Placement, node: number): number {
  const width = model.resources.length
  let sum = 0
  for (let offset = 0; offset < width; offset++) {
    const room = model.room[node * width + offset] as number
    if (room > 0) sum += (used[node * width + offset] as number) / room
  }
  return sum
}

function loadOf({ model, podsOn }: Placement, node: number): number {
  let sum = 0
  for (const pod of podsOn[node] ?? []) if (!model.pods[pod]?.isOfNode) sum += sizeOf(model, pod)
  return sum
}

function bytesAway({ at, model }: Placement): number {
  return model.pods.reduce((sum, { home, movedBytes }, pod) => sum + (at[pod] === home ? 0 : movedBytes), 0)
}
