// Large pods are placed first: small ones find a gap afterwards, the other way round they may not.
import type { Model } from '../model.ts'

export function largestFirst(model: Model, pods: readonly number[]): number[] {
  const sizes = new Map(pods.map((pod) => [pod, sizeOf(model, pod)]))
  return [...pods].sort((one, other) => (sizes.get(other) ?? 0) - (sizes.get(one) ?? 0) || one - other)
}

/** The largest part of an average node that the pod requests of any resource. */
export function sizeOf(model: Model, pod: number): number {
  const width = model.resources.length
  let size = 0
  for (let offset = 0; offset < width; offset++) {
    const wanted = model.requests[pod * width + offset] as number
    if (wanted > 0) size = Math.max(size, wanted / averageRoom(model, offset))
  }
  return size
}

const averages = new WeakMap<Model, Float64Array>()

function averageRoom(model: Model, offset: number): number {
  let known = averages.get(model)
  if (!known) {
    const width = model.resources.length
    known = Float64Array.from({ length: width }, (_none, column) => {
      let sum = 0
      for (let node = 0; node < model.nodes.length; node++) sum += model.room[node * width + column] as number
      return Math.max(1, sum / Math.max(1, model.nodes.length))
    })
    averages.set(model, known)
  }
  return known[offset] as number
}
