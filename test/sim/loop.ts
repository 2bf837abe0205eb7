// Virtual time: what is planned happens in the order of its time, and between two happenings every waiting promise goes on.

interface Planned {
  atMs: number
  order: number
  run: () => void
}

export class Loop {
  nowMs = 0
  happened = 0
  #order = 0
  /** A binary heap, earliest first. */
  readonly #heap: Planned[] = []

  at(atMs: number, run: () => void): void {
    this.#push({ atMs: Math.max(atMs, this.nowMs), order: this.#order++, run })
  }

  after(ms: number, run: () => void): void {
    this.at(this.nowMs + Math.max(0, ms), run)
  }

  /** Until the time is over or `done` says so; `after` sees the world after each happening. */
  async run(endMs: number, after: () => void, done: () => boolean): Promise<void> {
    for (;;) {
      await settled()
      after()
      if (done()) return
      const next = this.#heap[0]
      if (!next || next.atMs > endMs) return
      this.#pop()
      this.nowMs = next.atMs
      this.happened++
      next.run()
    }
  }

  #push(planned: Planned): void {
    const heap = this.#heap
    let at = heap.push(planned) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isEarlier(planned, heap[parent] as Planned)) break
      heap[at] = heap[parent] as Planned
      at = parent
    }
    heap[at] = planned
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop() as Planned
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isEarlier(heap[child + 1] as Planned, heap[child] as Planned)) child++
      if (!isEarlier(heap[child] as Planned, last)) break
      heap[at] = heap[child] as Planned
      at = child
    }
    heap[at] = last
  }
}

function isEarlier(one: Planned, other: Planned): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order)
}

/** Every promise that can go on without new happenings has gone on. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
