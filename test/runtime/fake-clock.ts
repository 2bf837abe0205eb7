// A clock that tests turn by hand: sleepers wake in order of their time, and what they start has run before `advance` goes on.
import type { Clock } from '../../src/runtime/clock.ts'

interface Sleeper {
  atMs: number
  wake: () => void
}

export class FakeClock implements Clock {
  #nowMs: number
  readonly #sleepers = new Set<Sleeper>()

  constructor(startMs = 1_700_000_000_000) {
    this.#nowMs = startMs
  }

  get sleepers(): number {
    return this.#sleepers.size
  }

  nowMs(): number {
    return this.#nowMs
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const wake = () => {
        this.#sleepers.delete(sleeper)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      const sleeper = { atMs: this.#nowMs + ms, wake }
      this.#sleepers.add(sleeper)
      signal?.addEventListener('abort', wake, { once: true })
    })
  }

  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms
    await settle()
    for (let next = this.#next(untilMs); next; next = this.#next(untilMs)) {
      this.#nowMs = next.atMs
      next.wake()
      await settle()
    }
    this.#nowMs = untilMs
  }

  #next(untilMs: number): Sleeper | undefined {
    const due = [...this.#sleepers].filter(({ atMs }) => atMs <= untilMs)
    return due.sort((left, right) => left.atMs - right.atMs)[0]
  }
}

/** Lets everything that is ready run: several turns of the event loop, without waiting. */
export async function settle(turns = 5): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** Waits in real time until something holds; for tests over real sockets. */
export async function eventually(holds: () => boolean, withinMs = 2000): Promise<void> {
  const untilMs = Date.now() + withinMs
  while (!holds()) {
    if (Date.now() > untilMs) throw new Error(`did not hold within ${withinMs} ms: ${holds}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
