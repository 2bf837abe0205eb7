// Balance: the best step again and again; then parts of the plan are taken back and made anew, for as long as there is time.
import { costOf, movesOf, type Prices, pricesFor } from '../cost.ts'
import { evenShares, unevenness } from '../imbalance.ts'
import type { Limits } from '../limits.ts'
import type { Model } from '../model.ts'
import type { Placement } from '../placement.ts'
import { below, type Chance, shuffle } from '../random.ts'
import { anneal } from './anneal.ts'
import { bestStep } from './step.ts'

/** Gains are taken up to this much too high or too low while parts are made anew, mostly less. */
const mostNoise = 0.9
/** Moves that are taken back at once, at most. */
const mostTakenBack = 16

/** Part of the rounds that begin with a move that nobody would choose: the best first move is not always part of the best plan. */
const strayPart = 0.5
const strayTries = 8

/** Pods times nodes up to which annealing looks at enough of the possibilities. */
const smallCase = 2000

interface Search {
  placement: Placement
  shares: Float64Array
  prices: Prices
  limits: Limits
}

/** Leaves the best placement in `placement`. */
export function balance(placement: Placement, limits: Limits): void {
  const shares = evenShares(placement)
  const before = unevenness(placement, shares)
  const search = { placement, shares, prices: pricesFor(placement.model, before), limits }
  climb(search, () => 1)
  if (placement.model.pods.length * placement.model.nodes.length <= smallCase) anneal(placement, shares, search.prices, before, limits)
  improve(search)
}

function climb({ placement, shares, prices, limits }: Search, noise: () => number): void {
  let moves = movesOf(placement)
  while (!limits.isOver()) {
    const step = bestStep({ placement, shares, prices, noise, movesLeft: limits.mostMoves - moves })
    if (!step) return
    for (const [pod, to] of step.moves) moves += moveTo(placement, pod, to)
  }
}

/** The change in how many pods are away from home. */
function moveTo(placement: Placement, pod: number, to: number): number {
  const home = placement.model.pods[pod]?.home
  const before = placement.at[pod] === home ? 0 : 1
  placement.move(pod, to)
  return (to === home ? 0 : 1) - before
}

function improve(search: Search): void {
  const { placement, shares, prices, limits } = search
  let best = placement.at.slice()
  let bestCost = costOf(placement, shares, prices)
  for (let idle = 0; idle < limits.patienceRounds && !limits.isOver(); idle++) {
    takeSomeBack(placement, limits.chance)
    if (limits.chance() < strayPart) stray(search)
    const noise = mostNoise * limits.chance() ** 2
    climb(search, () => 1 + noise * (2 * limits.chance() - 1))
    climb(search, () => 1)
    const cost = costOf(placement, shares, prices)
    if (cost < bestCost - 1e-9 * bestCost) {
      best = placement.at.slice()
      bestCost = cost
      idle = -1
    } else placement.become(best)
  }
  placement.become(best)
}

/** Back home where they still may be: what came there meanwhile, or left, may keep them away. */
function takeSomeBack(placement: Placement, chance: Chance): void {
  const away: number[] = []
  placement.at.forEach((node, pod) => {
    if (node !== placement.model.pods[pod]?.home) away.push(pod)
  })
  const count = 1 + below(chance, Math.min(mostTakenBack, Math.max(1, away.length)))
  for (const pod of shuffle(away, chance).slice(0, count)) {
    const home = placement.model.pods[pod]?.home ?? 0
    if (placement.can(pod, home)) placement.move(pod, home)
  }
}

/** Any move that is allowed, of a pod that may still move. */
function stray({ placement, limits }: Search): void {
  const { model } = placement
  if (model.pods.length === 0) return
  const mayLeave = movesOf(placement) < limits.mostMoves
  for (let attempt = 0; attempt < strayTries; attempt++) {
    const pod = below(limits.chance, model.pods.length)
    const node = below(limits.chance, model.nodes.length)
    const { stays, home } = model.pods[pod] as Model['pods'][number]
    const isAllowed =
      stays === undefined && (mayLeave || placement.at[pod] !== home) && model.nodes[placement.at[pod] as number]?.isBalanced
    if (!isAllowed || !placement.can(pod, node)) continue
    placement.move(pod, node)
    return
  }
}
