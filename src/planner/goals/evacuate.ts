// Evacuate: every pod that can leave the named nodes gets the place that keeps the rest most even; others make room where they must.
import { costOf, type Prices, pricesFor } from '../cost.ts'
import { evenShares, unevenness } from '../imbalance.ts'
import type { Limits } from '../limits.ts'
import type { Model } from '../model.ts'
import type { Placement } from '../placement.ts'
import { below, shuffle } from '../random.ts'
import { bestPlace } from './best-place.ts'
import { largestFirst } from './largest-first.ts'
import { makeRoom } from './make-room.ts'

const mostTakenBack = 12

interface Search {
  placement: Placement
  shares: Float64Array
  prices: Prices
  limits: Limits
  /** Pods that have to leave. */
  leaving: readonly number[]
}

/** Leaves the best placement in `placement`; pods that nobody takes stay. */
export function evacuate(placement: Placement, leavingNodes: ReadonlySet<number>, limits: Limits): void {
  const { model } = placement
  const leaving = model.pods.flatMap(({ home, stays }, pod) => (leavingNodes.has(home) && stays === undefined ? [pod] : []))
  const shares = sharesWith(placement, leaving)
  const search = { placement, shares, prices: pricesFor(model, unevenness(placement, shares)), limits, leaving }
  placeAll(search, largestFirst(model, leaving), () => 1)
  improve(search)
}

/** The even share once the leaving pods are on the others. */
function sharesWith(placement: Placement, leaving: readonly number[]): Float64Array {
  const { model } = placement
  const width = model.balanced.length
  return evenShares(placement).map((share, offset) => {
    const room = model.nodes.reduce(
      (sum, { isBalanced }, node) => sum + (isBalanced ? (model.loadRoom[node * width + offset] as number) : 0),
      0,
    )
    const more = leaving.reduce((sum, pod) => sum + (model.load[pod * width + offset] as number), 0)
    return room > 0 ? share + more / room : share
  })
}

function placeAll({ placement, shares }: Search, pods: readonly number[], noise: () => number): void {
  for (const pod of pods) {
    const node = bestPlace(placement, shares, pod, noise)
    if (node !== undefined) placement.move(pod, node)
    else makeRoom(placement, pod, (third) => placement.model.nodes[third]?.isDestination ?? false)
  }
}

function improve(search: Search): void {
  const { placement, limits, leaving } = search
  let best = placement.at.slice()
  let bestCost = cost(search)
  for (let idle = 0; idle < limits.patienceRounds && !limits.isOver() && leaving.length > 0; idle++) {
    const again = takeSomeBack(search)
    placeAll(search, again, () => 0.8 + 0.4 * limits.chance())
    const now = cost(search)
    if (now < bestCost - 1e-9 * Math.abs(bestCost)) {
      best = placement.at.slice()
      bestCost = now
      idle = -1
    } else placement.become(best)
  }
  placement.become(best)
}

/** A pod that has to leave and cannot outweighs everything else. */
function cost({ placement, shares, prices, leaving }: Search): number {
  const stuck = leaving.filter((pod) => placement.at[pod] === placement.model.pods[pod]?.home).length
  return stuck * 1e9 + costOf(placement, shares, prices)
}

/** Those that are stuck go first the next time. */
function takeSomeBack({ placement, limits, leaving }: Search): number[] {
  const home = (pod: number) => (placement.model.pods[pod] as Model['pods'][number]).home
  const stuck = leaving.filter((pod) => placement.at[pod] === home(pod))
  const away = [...placement.at.keys()].filter((pod) => placement.at[pod] !== home(pod))
  const back = shuffle(away, limits.chance).slice(0, 1 + below(limits.chance, mostTakenBack))
  const gone = back.filter((pod) => leaving.includes(pod) || placement.can(pod, home(pod)))
  for (const pod of gone) placement.move(pod, home(pod))
  return [...shuffle(stuck, limits.chance), ...largestFirst(placement.model, gone).filter((pod) => leaving.includes(pod))]
}
