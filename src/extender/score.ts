// How good a node is for the pod, as parts that a person can read and one integer that kube-scheduler can take.
import type { ClusterIndex, NodeFacts } from './cluster-index.ts'
import type { Asking } from './fit.ts'
import type { Amounts } from './requests.ts'

const maxScore = 10
/** A move that failed longer ago says little about the node of today. */
const failureMemoryMs = 3_600_000
/** Three failed moves in an hour make a node the last choice. */
const pointsPerFailure = 4

const weights = { room: 4, spread: 3, balance: 2, history: 2, moveCost: 1 } as const
type Part = keyof typeof weights

export interface Score {
  /** 0..10, an integer: kube-scheduler neither clamps nor checks it. */
  score: number
  /** The same before rounding, for the order among equals. */
  exact: number
  parts: Record<string, number>
}

export function scoreNode(asking: Asking, facts: NodeFacts, free: Amounts, index: ClusterIndex): Score {
  const parts: Record<Part, number> = {
    room: roomAfter(asking.requests, facts.allocatable, free),
    spread: maxScore / (1 + siblings(asking, facts)),
    balance: balanceAfter(asking.requests, facts.allocatable, free),
    history: clamp(maxScore - pointsPerFailure * index.failuresSince(facts.name, (asking.nowMs ?? 0) - failureMemoryMs)),
    moveCost: imagesPresent(asking, facts),
  }
  let weighted = 0
  let total = 0
  for (const part of Object.keys(weights) as Part[]) {
    weighted += weights[part] * parts[part]
    total += weights[part]
    parts[part] = Math.round(parts[part] * 100) / 100
  }
  const exact = clamp(weighted / total)
  return { score: Math.round(exact), exact, parts }
}

function clamp(value: number): number {
  return Number.isFinite(value) ? Math.min(maxScore, Math.max(0, value)) : 0
}

/** The scarcer of CPU and memory after the move decides. */
function roomAfter(requests: Amounts, allocatable: Amounts, free: Amounts): number {
  return clamp(maxScore * Math.min(freeShare('cpu', requests, allocatable, free), freeShare('memory', requests, allocatable, free)))
}

/** A node that is full of CPU and empty of memory can take nobody: the two should fill together. */
function balanceAfter(requests: Amounts, allocatable: Amounts, free: Amounts): number {
  const difference = freeShare('cpu', requests, allocatable, free) - freeShare('memory', requests, allocatable, free)
  return clamp(maxScore * (1 - Math.abs(difference)))
}

function freeShare(resource: string, requests: Amounts, allocatable: Amounts, free: Amounts): number {
  const all = allocatable[resource] ?? 0
  if (all <= 0) return 0
  return Math.min(1, Math.max(0, ((free[resource] ?? 0) - (requests[resource] ?? 0)) / all))
}

function siblings(asking: Asking, facts: NodeFacts): number {
  const owner = asking.ownerUid
  if (!owner) return 0
  const own = facts.pods.get(asking.podKey)?.ownerUid === owner ? 1 : 0
  return Math.max(0, (facts.ownerCounts.get(owner) ?? 0) - own)
}

/** Share of the pod's images that the node has already. */
function imagesPresent(asking: Asking, facts: NodeFacts): number {
  if (asking.images.length === 0) return maxScore
  let present = 0
  for (const image of asking.images) if (facts.images.has(image)) present++
  return (maxScore * present) / asking.images.length
}
