// How good a node is for the pod, as parts that a person can read and one integer that kube-scheduler can take.
import type { ClusterIndex } from './cluster-index.ts'
import type { Asking } from './fit.ts'
import type { NodeFacts } from './node-facts.ts'

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
  const hasReservations = facts.reservations.size > 0
  const reservedCpu = hasReservations ? index.moves.reservedOf(facts, 'cpu', asking) : 0
  const reservedMemory = hasReservations ? index.moves.reservedOf(facts, 'memory', asking) : 0
  const isOwn = asking.countedOn === facts
  const own = isOwn ? facts.pods.get(asking.podKey)?.amounts : undefined
  const { requests } = asking
  const cpu = freeShare(facts.allocatable.cpu, facts.requested.cpu, reservedCpu, own?.cpu, requests.cpu)
  const memory = freeShare(facts.allocatable.memory, facts.requested.memory, reservedMemory, own?.memory, requests.memory)
  const scarcer = cpu < memory ? cpu : memory
  scratch[0] = maxScore * scarcer
  scratch[1] = maxScore * (facts.usage ? usedShareLeft(asking, facts, reservedCpu, reservedMemory) : scarcer)
  scratch[2] = maxScore / (1 + siblings(asking, facts, own !== undefined))
  // A node that is full of CPU and empty of memory can take nobody: the two should fill together.
  scratch[3] = maxScore * (1 - Math.abs(cpu - memory))
  scratch[4] = facts.hasFailures ? pointsLeft(index.moves.failuresSince(facts.name, (asking.nowMs ?? 0) - failureMemoryMs)) : maxScore
  scratch[5] = moveCost(asking, facts)
  scratch[6] = maxScore * index.compatibleShare(facts)
  let weighted = 0
  for (let position = 0; position < weightOf.length; position++) weighted += (weightOf[position] as number) * (scratch[position] as number)
  return clamp(weighted / totalWeight)
}

function pointsLeft(failures: number): number {
  return Math.max(0, maxScore - pointsPerFailure * failures)
}

function clamp(value: number): number {
  return Number.isFinite(value) ? Math.min(maxScore, Math.max(0, value)) : 0
}

type Amount = number | undefined

/** What is free after the pod has come, as a part of the node. */
function freeShare(all: Amount, taken: Amount = 0, reserved: Amount = 0, own: Amount = 0, wanted: Amount = 0): number {
  if (all === undefined || all <= 0) return 0
  const left = (all - taken - reserved + own - wanted) / all
  return left < 0 ? 0 : left > 1 ? 1 : left
}

/** By real usage; the scarcer of CPU and memory decides. */
function usedShareLeft({ usage, countedOn }: Asking, facts: NodeFacts, reservedCpu: number, reservedMemory: number): number {
  const { allocatable, usage: used } = facts
  const own = countedOn === facts ? usage : undefined
  return Math.min(
    freeShare(allocatable.cpu, used?.cpu, reservedCpu, own?.cpu, usage.cpu),
    freeShare(allocatable.memory, used?.memory, reservedMemory, own?.memory, usage.memory),
  )
}

function siblings({ siblings: counts }: Asking, facts: NodeFacts, isOwn: boolean): number {
  const count = counts?.get(facts)
  return count === undefined ? 0 : Math.max(0, count - (isOwn ? 1 : 0))
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
