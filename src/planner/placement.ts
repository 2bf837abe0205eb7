// Where every pod is at a moment of a search: used room, load, and the counts of the rules, kept up with each move.
import type { Model } from './model.ts'
import { countShape, rulesAllow } from './rules/judge.ts'

export class Placement {
  readonly model: Model
  /** Node of each pod. */
  readonly at: Int32Array
  /** nodes × resources. */
  readonly used: Float64Array
  /** nodes × balanced. */
  readonly load: Float64Array
  readonly podsOn: readonly Set<number>[]

  /** The counts of the rules are the model's: one placement of a model at a time, `leave` it before the next. */
  constructor(model: Model, at?: Int32Array) {
    this.model = model
    this.at = at ? at.slice() : Int32Array.from(model.pods, ({ home }) => home)
    this.used = new Float64Array(model.room.length)
    this.load = new Float64Array(model.loadRoom.length)
    this.podsOn = model.nodes.map(() => new Set())
    for (let pod = 0; pod < this.at.length; pod++) this.#count(pod, this.at[pod] as number, 1)
  }

  leave(): void {
    this.at.forEach((node, pod) => countShape((this.model.pods[pod] as Model['pods'][number]).shape, node, -1))
  }

  move(pod: number, to: number): void {
    this.#count(pod, this.at[pod] as number, -1)
    this.at[pod] = to
    this.#count(pod, to, 1)
  }

  /** Room on the node beside all that is there now: also what is needed while the pod moves. */
  fits(pod: number, node: number): boolean {
    const { resources, requests, room } = this.model
    const width = resources.length
    for (let offset = 0; offset < width; offset++) {
      const wanted = requests[pod * width + offset] as number
      if (wanted > 0 && (this.used[node * width + offset] as number) + wanted > (room[node * width + offset] as number)) return false
    }
    return true
  }

  /** What is there has room. */
  holds(node: number): boolean {
    const { resources, room } = this.model
    const width = resources.length
    for (let offset = 0; offset < width; offset++)
      if ((this.used[node * width + offset] as number) > (room[node * width + offset] as number)) return false
    return true
  }

  /** All but room. */
  allows(pod: number, node: number): boolean {
    const from = this.at[pod] as number
    const { model } = this
    if (from === node || !(model.nodes[node] as Model['nodes'][number]).isDestination) return false
    return rulesAllow(model, model.pods[pod] as Model['pods'][number], from, node)
  }

  can(pod: number, node: number): boolean {
    return this.at[pod] !== node && this.fits(pod, node) && this.allows(pod, node)
  }

  /** Takes every pod to where `at` has it, without asking. */
  become(at: Int32Array): void {
    at.forEach((node, pod) => {
      if (this.at[pod] !== node) this.move(pod, node)
    })
  }

  #count(pod: number, node: number, change: 1 | -1): void {
    const { resources, balanced, requests, load, pods } = this.model
    for (let offset = 0, width = resources.length; offset < width; offset++)
      this.used[node * width + offset] = (this.used[node * width + offset] as number) + change * (requests[pod * width + offset] as number)
    for (let offset = 0, width = balanced.length; offset < width; offset++)
      this.load[node * width + offset] = (this.load[node * width + offset] as number) + change * (load[pod * width + offset] as number)
    if (change === 1) this.podsOn[node]?.add(pod)
    else this.podsOn[node]?.delete(pod)
    countShape((pods[pod] as Model['pods'][number]).shape, node, change)
  }
}
