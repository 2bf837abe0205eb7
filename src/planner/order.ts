// The moves from the pods' homes to a placement in an order in which each is feasible when it runs; cycles go over a third node.
import { gainOf, unevenness } from './imbalance.ts'
import type { Placement } from './placement.ts'

export interface OrderedMove {
  pod: number
  from: number
  to: number
  /** The pod goes on from there later: its move broke a cycle. */
  isDetour: boolean
}

export interface Order {
  moves: OrderedMove[]
  /** False: some moves never become feasible, and are left out. */
  isComplete: boolean
}

/** `placement` starts at home and ends where the moves lead. */
export function orderMoves(placement: Placement, target: Int32Array, shares: Float64Array): Order {
  const pending = new Set<number>()
  target.forEach((node, pod) => {
    if (placement.at[pod] !== node) pending.add(pod)
  })
  const moves: OrderedMove[] = []
  const detoured = new Set<number>()
  const go = (pod: number, to: number, isDetour: boolean) => {
    moves.push({ pod, from: placement.at[pod] as number, to, isDetour })
    placement.move(pod, to)
  }
  while (pending.size > 0) {
    const before = pending.size
    // What helps most goes first: whoever stops half way has most of it.
    for (const pod of byGain(placement, pending, target, shares)) {
      if (!placement.can(pod, target[pod] as number)) continue
      go(pod, target[pod] as number, false)
      pending.delete(pod)
    }
    if (pending.size < before) continue
    const detour = findDetour(placement, pending, target, detoured)
    if (!detour) break
    detoured.add(detour.pod)
    go(detour.pod, detour.to, true)
  }
  return { moves: withoutEmptyDetours(moves, pending), isComplete: pending.size === 0 }
}

/** Half of a swap may be worse than none: takes the moves back to where the nodes were used most evenly. */
export function cutAtBest(placement: Placement, moves: readonly OrderedMove[], shares: Float64Array): OrderedMove[] {
  let now = unevenness(placement, shares)
  let best = { unevenness: now, count: moves.length }
  for (const [position, { pod, from }] of [...moves.entries()].reverse()) {
    placement.move(pod, from)
    now = unevenness(placement, shares)
    if (now <= best.unevenness) best = { unevenness: now, count: position }
  }
  for (const { pod, to } of moves.slice(0, best.count)) placement.move(pod, to)
  return moves.slice(0, best.count)
}

function byGain(placement: Placement, pending: ReadonlySet<number>, target: Int32Array, shares: Float64Array): number[] {
  const gains = new Map([...pending].map((pod) => [pod, gainOf(placement, shares, pod, target[pod] as number)]))
  return [...pending].sort((one, other) => (gains.get(other) ?? 0) - (gains.get(one) ?? 0) || one - other)
}

/** A pod that waits itself and is in another's way steps aside, once; the one whose memory is copied twice should be small. */
function findDetour(
  placement: Placement,
  pending: ReadonlySet<number>,
  target: Int32Array,
  detoured: ReadonlySet<number>,
): { pod: number; to: number } | undefined {
  const { model } = placement
  const wanted = new Set([...pending].map((pod) => target[pod] as number))
  const blocking = [...pending]
    .filter((pod) => !detoured.has(pod) && wanted.has(placement.at[pod] as number))
    .sort((one, other) => (model.pods[one]?.movedBytes ?? 0) - (model.pods[other]?.movedBytes ?? 0) || one - other)
  for (const pod of blocking) {
    const thirds = [...model.nodes.keys()].filter((node) => node !== target[pod] && placement.can(pod, node))
    // A node that nobody else waits for first: the detour must not block the next one.
    const to = thirds.find((node) => !wanted.has(node)) ?? thirds[0]
    if (to !== undefined) return { pod, to }
  }
  return undefined
}

/** A detour whose second half never came is an ordinary move by now. */
function withoutEmptyDetours(moves: readonly OrderedMove[], pending: ReadonlySet<number>): OrderedMove[] {
  return moves.map((move) => (move.isDetour && pending.has(move.pod) ? { ...move, isDetour: false } : move))
}
