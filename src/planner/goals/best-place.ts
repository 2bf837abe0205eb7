// The best place for one pod by balance alone.
import { gainOf } from '../imbalance.ts'
import type { Placement } from '../placement.ts'

/** Undefined: nobody takes it. */
export function bestPlace(placement: Placement, shares: Float64Array, pod: number, noise: () => number = () => 1): number | undefined {
  let best: { gain: number; node: number } | undefined
  for (let node = 0; node < placement.model.nodes.length; node++) {
    if (!placement.model.nodes[node]?.isDestination) continue
    const gain = gainOf(placement, shares, pod, node) * noise()
    if ((!best || gain > best.gain) && placement.can(pod, node)) best = { gain, node }
  }
  return best?.node
}
