// Balance: annealing for as long as there is time; pods that gained nothing by leaving go home again.
import { addedPrice, pricesFor } from '../cost.ts'
import { evenShares, gainOf, unevenness } from '../imbalance.ts'
import type { Limits } from '../limits.ts'
import type { Placement } from '../placement.ts'
import { anneal, type Search } from './anneal.ts'

/** Leaves the best placement in `placement`. */
export function balance(placement: Placement, limits: Limits): void {
  const shares = evenShares(placement)
  const before = unevenness(placement, shares)
  const search = { placement, shares, prices: pricesFor(placement.model, before), limits }
  anneal(search, before)
  bringHome(search)
}

function bringHome({ placement, shares, prices }: Search): void {
  placement.model.pods.forEach(({ home }, pod) => {
    const saved = gainOf(placement, shares, pod, home) - addedPrice(placement, prices, pod, home)
    if (placement.at[pod] !== home && saved >= 0 && placement.can(pod, home)) placement.move(pod, home)
  })
}
