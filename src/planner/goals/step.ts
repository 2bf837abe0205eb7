// The best next change of a placement towards balance: one pod to another node, or two pods that change places.
import { addedPrice, type Prices } from '../cost.ts'
import { changeOn, gainOf } from '../imbalance.ts'
import type { Model } from '../model.ts'
import type { Placement } from '../placement.ts'

export interface Step {
  /** Less unevenness minus the price of the moves. */
  gain: number
  moves: readonly (readonly [pod: number, to: number])[]
}

export interface StepQuestion {
  placement: Placement
  shares: Float64Array
  prices: Prices
  /** Factor on the gains of a pod: 1, or about 1 to look elsewhere than the last time. */
  noise(): number
  /** Further moves that the limit leaves. */
  movesLeft: number
}

/** Nodes that are looked at in one step, so that a step takes as long on a large cluster as on a small one. */
const sourcesAtOnce = 32
const destinationsAtOnce = 32
const swapNodesAtOnce = 12
/** Pods of a node that are tried for a swap. */
const swapPodsAtOnce = 24
/** Plans of more moves than this are improved by making parts anew instead. */
const replacedAtOnce = 16
const leastGain = 1e-12

export function bestStep(question: StepQuestion): Step | undefined {
  const { sources, destinations } = rankedNodes(question)
  const move = bestMove(question, sources, destinations)
  if (move) return move
  return question.movesLeft > 1 ? bestSwap(question, sources, destinations) : bestReplacement(question)
}

/** No further move is left: one that was made is taken back for a better one. */
function bestReplacement(question: StepQuestion): Step | undefined {
  const { placement, prices, shares, movesLeft } = question
  let best: Step = { gain: leastGain, moves: [] }
  for (const pod of someAway(placement)) {
    const home = placement.model.pods[pod]?.home as number
    const away = placement.at[pod] as number
    if (!placement.can(pod, home)) continue
    const back = gainOf(placement, shares, pod, home) - addedPrice(placement, prices, pod, home)
    placement.move(pod, home)
    const { sources, destinations } = rankedNodes(question)
    // Without noise: two that are each taken for better than the other would be exchanged for ever.
    const other = bestMove({ ...question, noise: () => 1, movesLeft: movesLeft + 1 }, sources, destinations)
    placement.move(pod, away)
    if (other && back + other.gain > best.gain) best = { gain: back + other.gain, moves: [[pod, home], ...other.moves] }
  }
  return best.moves.length > 0 ? best : undefined
}

/** Of a short plan; in a long one it would take longer than it is worth. */
function someAway({ at, model }: Placement): number[] {
  const away: number[] = []
  at.forEach((node, pod) => {
    if (node !== model.pods[pod]?.home) away.push(pod)
  })
  return away.length <= replacedAtOnce ? away : []
}

/** By what one resource or another has over and under the even share. */
function rankedNodes({ placement, shares }: StepQuestion): { sources: number[]; destinations: number[] } {
  const { model, load } = placement
  const width = shares.length
  const ranked = model.nodes.flatMap(({ isBalanced }, node) => {
    if (!isBalanced) return []
    let over = 0
    let under = 0
    for (let offset = 0; offset < width; offset++) {
      const room = model.loadRoom[node * width + offset] as number
      if (room <= 0) continue
      const distance = (load[node * width + offset] as number) / room - (shares[offset] as number)
      if (distance > 0) over += distance * distance
      else under += distance * distance
    }
    return [{ node, over, under }]
  })
  const sources = [...ranked].sort((one, other) => other.over - one.over).slice(0, sourcesAtOnce)
  const destinations = ranked.sort((one, other) => other.under - one.under).slice(0, destinationsAtOnce)
  return { sources: sources.map(({ node }) => node), destinations: destinations.map(({ node }) => node) }
}

function bestMove(question: StepQuestion, sources: readonly number[], destinations: readonly number[]): Step | undefined {
  const { placement, shares, prices, noise, movesLeft } = question
  let best: Step = { gain: leastGain, moves: [] }
  for (const from of sources)
    for (const pod of placement.podsOn[from] ?? []) {
      const { stays, home } = placement.model.pods[pod] as Model['pods'][number]
      if (stays !== undefined || (movesLeft < 1 && from === home)) continue
      const left = changeOn(placement, shares, from, pod, -1)
      const factor = noise()
      for (const to of destinations) {
        if (to === from) continue
        const gain = (-left - changeOn(placement, shares, to, pod, 1)) * factor - addedPrice(placement, prices, pod, to)
        if (gain > best.gain && placement.can(pod, to)) best = { gain, moves: [[pod, to]] }
      }
    }
  return best.moves.length > 0 ? best : undefined
}

function bestSwap(question: StepQuestion, sources: readonly number[], destinations: readonly number[]): Step | undefined {
  let best: Step = { gain: leastGain, moves: [] }
  for (const from of sources.slice(0, swapNodesAtOnce))
    for (const to of destinations.slice(0, swapNodesAtOnce)) {
      if (from === to) continue
      for (const pod of swappable(question.placement, from))
        for (const other of swappable(question.placement, to)) {
          const gain = swapGain(question, pod, other)
          if (gain > best.gain && canSwap(question.placement, pod, other))
            best = {
              gain,
              moves: [
                [other, from],
                [pod, to],
              ],
            }
        }
    }
  return best.moves.length > 0 ? best : undefined
}

function swappable({ podsOn, model }: Placement, node: number): number[] {
  const pods: number[] = []
  for (const pod of podsOn[node] ?? []) {
    if (model.pods[pod]?.stays === undefined) pods.push(pod)
    if (pods.length === swapPodsAtOnce) break
  }
  return pods
}

function swapGain({ placement, shares, prices, noise }: StepQuestion, pod: number, other: number): number {
  const { model, load, at } = placement
  const width = shares.length
  const from = at[pod] as number
  const to = at[other] as number
  let gain = 0
  for (let offset = 0; offset < width; offset++) {
    const shift = (model.load[pod * width + offset] as number) - (model.load[other * width + offset] as number)
    for (const [node, sign] of [
      [from, -1],
      [to, 1],
    ] as const) {
      const room = model.loadRoom[node * width + offset] as number
      if (room <= 0) continue
      const step = (sign * shift) / room
      gain -= step * (2 * ((load[node * width + offset] as number) / room - (shares[offset] as number)) + step)
    }
  }
  return gain * noise() - addedPrice(placement, prices, pod, to) - addedPrice(placement, prices, other, from)
}

/** Whether there is a third node to swap over is for the order of the moves to find. */
function canSwap(placement: Placement, pod: number, other: number): boolean {
  const from = placement.at[pod] as number
  const to = placement.at[other] as number
  if (!fitsWithout(placement, pod, to, other) || !fitsWithout(placement, other, from, pod) || !placement.allows(other, from)) return false
  placement.move(other, from)
  const allowed = placement.allows(pod, to)
  placement.move(other, to)
  return allowed
}

function fitsWithout({ model, used }: Placement, pod: number, node: number, gone: number): boolean {
  const width = model.resources.length
  for (let offset = 0; offset < width; offset++) {
    const wanted = model.requests[pod * width + offset] as number
    const left = (used[node * width + offset] as number) - (model.requests[gone * width + offset] as number)
    if (wanted > 0 && left + wanted > (model.room[node * width + offset] as number)) return false
  }
  return true
}

/** The best place for one pod by balance alone, or undefined when nobody takes it. */
export function bestPlace(placement: Placement, shares: Float64Array, pod: number, noise: () => number = () => 1): number | undefined {
  let best: { gain: number; node: number } | undefined
  for (let node = 0; node < placement.model.nodes.length; node++) {
    if (!placement.model.nodes[node]?.isDestination) continue
    const gain = gainOf(placement, shares, pod, node) * noise()
    if ((!best || gain > best.gain) && placement.can(pod, node)) best = { gain, node }
  }
  return best?.node
}
