// What a placement costs: unevenness, and a little for each move and each byte, so that no move is made for next to nothing.
import { unevenness } from './imbalance.ts'
import type { Model } from './model.ts'
import type { Placement } from './placement.ts'

/** A move has to take away this part of the unevenness at least. */
const partPerMove = 0.0005
/** Copying the memory of all pods once would cost this part. */
const partForAllBytes = 0.01

export interface Prices {
  perMove: number
  perByte: number
}

export function pricesFor(model: Model, unevennessBefore: number): Prices {
  const bytes = model.pods.reduce((sum, { movedBytes, stays }) => sum + (stays === undefined ? movedBytes : 0), 0)
  return { perMove: partPerMove * unevennessBefore, perByte: (partForAllBytes * unevennessBefore) / Math.max(1, bytes) }
}

export function priceOf(model: Model, prices: Prices, pod: number): number {
  return prices.perMove + prices.perByte * (model.pods[pod] as Model['pods'][number]).movedBytes
}

/** What going to the node adds: pods that are away already do not pay again, pods that come home get it back. */
export function addedPrice(placement: Placement, prices: Prices, pod: number, to: number): number {
  const { model } = placement
  const { home } = model.pods[pod] as Model['pods'][number]
  if (placement.at[pod] === home) return priceOf(model, prices, pod)
  return to === home ? -priceOf(model, prices, pod) : 0
}

export function costOf(placement: Placement, shares: Float64Array, prices: Prices): number {
  const { model } = placement
  let cost = unevenness(placement, shares)
  placement.at.forEach((node, pod) => {
    if (node !== model.pods[pod]?.home) cost += priceOf(model, prices, pod)
  })
  return cost
}
