// What one Kubernetes controller believes of a collection: the truth, some time later, in order.
import type { Change, Thing } from './api-server.ts'
import type { World } from './world.ts'

export class View {
  readonly #things = new Map<string, Thing>()
  #lastMs = 0

  constructor(world: World, collection: string, lagMs: () => number, changed: () => void = () => undefined) {
    for (const thing of world.server.all(collection)) this.#things.set(thing.metadata.uid, thing)
    world.server.onChange(collection, (change) => {
      this.#lastMs = Math.max(this.#lastMs, world.loop.nowMs + lagMs())
      world.loop.at(this.#lastMs, () => {
        this.#apply(change)
        changed()
      })
    })
  }

  list(): Thing[] {
    return [...this.#things.values()]
  }

  /** What this controller itself wrote it knows at once. */
  put(thing: Thing): void {
    this.#things.set(thing.metadata.uid, thing)
  }

  drop(uid: string): void {
    this.#things.delete(uid)
  }

  #apply({ type, object }: Change): void {
    const known = this.#things.get(object.metadata.uid)
    if (type === 'DELETED') this.#things.delete(object.metadata.uid)
    else if (!known || Number(known.metadata.resourceVersion) < Number(object.metadata.resourceVersion))
      this.#things.set(object.metadata.uid, object)
  }
}
