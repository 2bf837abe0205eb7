// Room for a pod on a full node: others of that node go to third nodes until it fits, or all stays as it was.
import type { Model } from '../model.ts'
import type { Placement } from '../placement.ts'

/** More than a few pods that move for one are not worth it. */
const mostEjected = 4
/** Nodes on which room is tried to be made. */
const nodesTried = 24

/** True: the pod is on a node that may be its place, and those that made room are elsewhere. */
export function makeRoom(placement: Placement, pod: number, mayReceive: (node: number) => boolean): boolean {
  for (const node of nearlyFitting(placement, pod, mayReceive)) {
    const before: [number, number][] = []
    if (ejectUntilItFits(placement, pod, node, mayReceive, before) && placement.can(pod, node)) {
      placement.move(pod, node)
      return true
    }
    for (const [ejected, from] of before.reverse()) placement.move(ejected, from)
  }
  return false
}

function nearlyFitting(placement: Placement, pod: number, mayReceive: (node: number) => boolean): number[] {
  return placement.model.nodes
    .flatMap((_node, node) =>
      mayReceive(node) && placement.allows(pod, node) ? [{ node, missing: missingShare(placement, pod, node) }] : [],
    )
    .sort((one, other) => one.missing - other.missing)
    .slice(0, nodesTried)
    .map(({ node }) => node)
}

/** The largest lack over all resources, as a part of the node. */
function missingShare({ model, used }: Placement, pod: number, node: number): number {
  const width = model.resources.length
  let most = 0
  for (let offset = 0; offset < width; offset++) {
    const wanted = model.requests[pod * width + offset] as number
    const room = model.room[node * width + offset] as number
    if (wanted > 0) most = Math.max(most, (wanted + (used[node * width + offset] as number) - room) / Math.max(1, room))
  }
  return most
}

function ejectUntilItFits(
  placement: Placement,
  pod: number,
  node: number,
  mayReceive: (node: number) => boolean,
  before: [number, number][],
): boolean {
  const candidates = [...(placement.podsOn[node] ?? [])].filter((other) => placement.model.pods[other]?.stays === undefined)
  candidates.sort((one, other) => bytesOf(placement.model, one) - bytesOf(placement.model, other))
  for (const other of candidates) {
    if (placement.fits(pod, node)) return true
    if (before.length === mostEjected) return false
    const to = placement.model.nodes.findIndex((_node, third) => third !== node && mayReceive(third) && placement.can(other, third))
    if (to < 0) continue
    before.push([other, node])
    placement.move(other, to)
  }
  return placement.fits(pod, node)
}

function bytesOf(model: Model, pod: number): number {
  return (model.pods[pod] as Model['pods'][number]).movedBytes
}
