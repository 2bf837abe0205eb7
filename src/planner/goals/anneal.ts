// Annealing for small clusters: any move may be made, worse ones less and less often; chains of moves that only pay together are found so.
import { addedPrice, costOf, movesOf, type Prices } from '../cost.ts'
import { gainOf } from '../imbalance.ts'
import type { Limits } from '../limits.ts'
import type { Placement } from '../placement.ts'
import { below } from '../random.ts'

/** For each round of patience that the limits have. */
const triesPerRound = 50
const mostTries = 25_000
/** As parts of the unevenness before any move: what is accepted at each start, and at the end. */
const starts = [0.1, 0.03, 0.01, 0.1, 0.03, 0.01, 0.1, 0.03, 0.01, 0.1, 0.03, 0.01, 0.2, 0.05, 0.02, 0.1, 0.03, 0.01]
const coldest = 0.00002

interface Annealing {
  placement: Placement
  shares: Float64Array
  prices: Prices
  limits: Limits
  movable: readonly number[]
}

/** Leaves the best placement that it saw in `placement`. */
export function anneal(placement: Placement, shares: Float64Array, prices: Prices, unevennessBefore: number, limits: Limits): void {
  const movable = placement.model.pods.flatMap(({ stays, home }, pod) =>
    stays === undefined && placement.model.nodes[home]?.isBalanced ? [pod] : [],
  )
  if (movable.length === 0 || limits.mostMoves === 0) return
  const annealing = { placement, shares, prices, limits, movable }
  let best: Int32Array = placement.at.slice()
  let bestCost = costOf(placement, shares, prices)
  for (const start of starts) {
    if (limits.isOver()) break
    const found = cool(annealing, start * unevennessBefore, coldest * unevennessBefore)
    if (found.cost < bestCost) {
      best = found.at
      bestCost = found.cost
    }
    placement.become(best)
  }
}

function cool(annealing: Annealing, hottest: number, coolest: number): { at: Int32Array; cost: number } {
  const { placement, shares, prices, limits } = annealing
  const tries = Math.min(mostTries, triesPerRound * limits.patienceRounds)
  let cost = costOf(placement, shares, prices)
  const best = { at: placement.at.slice(), cost }
  for (let attempt = 0; attempt < tries && !(attempt % 512 === 0 && limits.isOver()); attempt++) {
    const temperature = hottest * (coolest / hottest) ** (attempt / tries)
    cost -= step(annealing, temperature)
    if (cost >= best.cost - 1e-12) continue
    best.cost = cost
    best.at = placement.at.slice()
  }
  return best
}

/** What the accepted change saves; 0 when nothing was changed. At the limit of moves another pod goes home for it. */
function step({ placement, shares, prices, limits, movable }: Annealing, temperature: number): number {
  const pod = movable[below(limits.chance, movable.length)] as number
  const from = placement.at[pod] as number
  const home = placement.model.pods[pod]?.home as number
  const to = from !== home && limits.chance() < 0.3 ? home : below(limits.chance, placement.model.nodes.length)
  const undo: [number, number][] = []
  let saved = 0
  const go = (moved: number, node: number): boolean => {
    if (!placement.can(moved, node)) return false
    saved += gainOf(placement, shares, moved, node) - addedPrice(placement, prices, moved, node)
    undo.push([moved, placement.at[moved] as number])
    placement.move(moved, node)
    return true
  }
  const isFull = from === home && movesOf(placement) >= limits.mostMoves
  const done = (!isFull || goHome(placement, movable, limits, go)) && go(pod, to)
  if (done && (saved >= 0 || limits.chance() < Math.exp(saved / temperature))) return saved
  for (const [moved, node] of undo.reverse()) placement.move(moved, node)
  return 0
}

function goHome(placement: Placement, movable: readonly number[], { chance }: Limits, go: (pod: number, node: number) => boolean): boolean {
  const away = movable.filter((pod) => placement.at[pod] !== placement.model.pods[pod]?.home)
  const pod = away[below(chance, away.length)]
  return pod !== undefined && go(pod, placement.model.pods[pod]?.home as number)
}
