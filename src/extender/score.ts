// How good a node is for the pod, as parts that a person can read and one integer that kube-scheduler can take.
import type { ClusterIndex, NodeFacts } from './cluster-index.ts'
import type { Asking } from './fit.ts'
import type { Amounts } from './requests.ts'

const maxScore = 10
/** A move that failed longer ago says little about the node of today. */
const failureMemoryMs = 3_600_000
/** Three failed moves in an hour make a node the last choice. */
const pointsPerFailure = 4
/** A copy that takes this long costs half of the points. */
const halfPointsSeconds = 30

const weights = { room: 3, usage: 2, spread: 3, balance: 2, history: 2, moveCost: 1, compatibility: 1 } as const
type Part = keyof typeof weights
const names = Object.keys(weights) as Part[]
const weightOf = Float64Array.from(names, (name) => weights[name])
const totalWeight = weightOf.reduce((sum, weight) => sum + weight, 0)

export interface Score {
  /** 0..10, an integer: kube-scheduler neither clamps nor checks it. */
  score: number
  /** The same before rounding, for the order among equals. */
  exact: number
  parts: Record<string, number>
}

/** Used again for each node: 5000 nodes a request leave nothing behind. */
const scratch = new Float64Array(names.length)

export function scoreNode(asking: Asking, facts: NodeFacts, index: ClusterIndex): Score {
  const exact = exactScore(asking, facts, index)
  const parts = Object.fromEntries(names.map((name, position) => [name, Math.round((scratch[position] as number) * 100) / 100]))
  return { score: Math.round(exact), exact, parts }
}

/** The integer alone, for kube-scheduler. */
export function scoreOf(asking: Asking, facts: NodeFacts, index: ClusterIndex): number {
  return Math.round(exactScore(asking, facts, index))
}

function exactScore(asking: Asking, facts: NodeFacts, index: ClusterIndex): number {
  const reserved = index.reservationCount(facts.name) > 0 ? index.reserved(facts.name, asking) : undefined
  // A pod that is counted on the node already (its score is asked again) does not stand in its own way.
  const own = facts.pods.get(asking.podKey)?.amounts
  const cpu = freeShare('cpu', asking.requests, facts.requested, facts, reserved, own)
  const memory = freeShare('memory', asking.requests, facts.requested, facts, reserved, own)
  scratch[0] = maxScore * Math.min(cpu, memory)
  scratch[1] = maxScore * usedShareLeft(asking, facts, reserved, own, Math.min(cpu, memory))
  scratch[2] = maxScore / (1 + siblings(asking, facts))
  // A node that is full of CPU and empty of memory can take nobody: the two should fill together.
  scratch[3] = maxScore * (1 - Math.abs(cpu - memory))
  scratch[4] = clamp(maxScore - pointsPerFailure * index.failuresSince(facts.name, (asking.nowMs ?? 0) - failureMemoryMs))
  scratch[5] = moveCost(asking, facts)
  scratch[6] = maxScore * index.compatibleShare(facts)
  let weighted = 0
  for (let position = 0; position < names.length; position++) weighted += (weightOf[position] as number) * (scratch[position] as number)
  return clamp(weighted / totalWeight)
}

function clamp(value: number): number {
  return Number.isFinite(value) ? Math.min(maxScore, Math.max(0, value)) : 0
}

/** What is free after the pod has come, as a part of the node. */
function freeShare(
  resource: string,
  wanted: Amounts,
  taken: Amounts,
  { allocatable }: NodeFacts,
  reserved: Amounts | undefined,
  own: Amounts | undefined,
): number {
  const all = allocatable[resource] ?? 0
  if (all <= 0) return 0
  const left = all - (taken[resource] ?? 0) - (reserved?.[resource] ?? 0) + (own?.[resource] ?? 0) - (wanted[resource] ?? 0)
  return Math.min(1, Math.max(0, left / all))
}

/** By real usage where the metrics API has it, by requests otherwise; the scarcer of CPU and memory decides. */
function usedShareLeft(
  asking: Asking,
  facts: NodeFacts,
  reserved: Amounts | undefined,
  own: Amounts | undefined,
  byRequests: number,
): number {
  if (!facts.usage) return byRequests
  const back = own && asking.usage
  return Math.min(
    freeShare('cpu', asking.usage, facts.usage, facts, reserved, back),
    freeShare('memory', asking.usage, facts.usage, facts, reserved, back),
  )
}

function siblings(asking: Asking, facts: NodeFacts): number {
  const owner = asking.ownerUid
  if (!owner) return 0
  const own = facts.pods.get(asking.podKey)?.ownerUid === owner ? 1 : 0
  return Math.max(0, (facts.ownerCounts.get(owner) ?? 0) - own)
}

/** Half for the images that the node has already; half for the time that copying the memory takes, when there is any yet. */
function moveCost(asking: Asking, facts: NodeFacts): number {
  const images = imagesPresent(asking, facts)
  if (!asking.source || facts === asking.source) return images
  const bytesPerSecond = Math.min(asking.source.bytesPerSecond, facts.bytesPerSecond)
  const seconds = (asking.usage.memory ?? 0) / bytesPerSecond
  return (images + maxScore / (1 + seconds / halfPointsSeconds)) / 2
}

/** Share of the pod's images that the node has already. */
function imagesPresent(asking: Asking, facts: NodeFacts): number {
  if (asking.images.length === 0) return maxScore
  let present = 0
  for (const image of asking.images) if (facts.images.has(image)) present++
  return (maxScore * present) / asking.images.length
}
