// Keeps what is sent before the freeze under the migration's bandwidth limit.
import type { Clock } from '../../runtime/clock.ts'

export class RateLimit {
  #bytesPerMs: number
  readonly #clock: Clock
  #freeAtMs = 0

  /** 0: no limit. */
  constructor(megabitsPerSecond: number, clock: Clock) {
    this.#bytesPerMs = (megabitsPerSecond * 1_000_000) / 8 / 1000
    this.#clock = clock
  }

  /** The pod is frozen: from here everything goes at once. */
  lift(): void {
    this.#bytesPerMs = 0
  }

  /** Waits until these bytes may go. */
  async take(bytes: number): Promise<void> {
    if (this.#bytesPerMs === 0) return
    const now = this.#clock.nowMs()
    const startMs = Math.max(this.#freeAtMs, now)
    this.#freeAtMs = startMs + bytes / this.#bytesPerMs
    if (startMs > now) await this.#clock.sleep(startMs - now)
  }
}
