// One run of a program: it ends at once when it is killed, stands still when its machine does, and sees time through its machine's clock.
import type { Clock } from '../../src/runtime/clock.ts'
import type { Loop } from './loop.ts'

export const epochMs = Date.parse('2026-01-01T00:00:00.000Z')

/** A machine's clock: its rate is its own, and somebody may set it. */
export interface MachineClock {
  rate: number
  offsetMs: number
}

export class Life {
  readonly name: string
  readonly place: string
  readonly loop: Loop
  readonly #machine: MachineClock
  readonly #startedMs: number
  readonly #startWallMs: number
  alive = true
  #stillUntilMs = 0
  readonly #onEnd = new Set<() => void>()

  constructor(loop: Loop, name: string, place: string, machine: MachineClock) {
    this.loop = loop
    this.name = name
    this.place = place
    this.#machine = machine
    this.#startedMs = loop.nowMs
    this.#startWallMs = this.wallMs()
  }

  /** Epoch milliseconds as the machine believes them. */
  wallMs(): number {
    return epochMs + this.loop.nowMs * this.#machine.rate + this.#machine.offsetMs
  }

  /** Like performance.timeOrigin + performance.now(): never jumps while the program runs. */
  monotonicMs(): number {
    return this.#startWallMs + (this.loop.nowMs - this.#startedMs) * this.#machine.rate
  }

  kill(): void {
    if (!this.alive) return
    this.alive = false
    for (const tell of this.#onEnd) tell()
    this.#onEnd.clear()
  }

  /** Returns how to forget about it. */
  onEnd(tell: () => void): () => void {
    this.#onEnd.add(tell)
    return () => this.#onEnd.delete(tell)
  }

  standStill(ms: number): void {
    this.#stillUntilMs = Math.max(this.#stillUntilMs, this.loop.nowMs + ms)
  }

  /** Runs it now, when the program goes on again, or never. */
  run(what: () => void): void {
    if (!this.alive) return
    if (this.loop.nowMs < this.#stillUntilMs) this.loop.at(this.#stillUntilMs, () => this.run(what))
    else what()
  }

  /** In milliseconds of its own clock. */
  after(ms: number, what: () => void): void {
    this.loop.after(ms / this.#machine.rate, () => this.run(what))
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      signal?.addEventListener('abort', () => resolve(), { once: true })
      this.after(ms, resolve)
    })
  }

  get clock(): Clock {
    return { nowMs: () => this.wallMs(), sleep: (ms, signal) => this.sleep(ms, signal) }
  }
}
