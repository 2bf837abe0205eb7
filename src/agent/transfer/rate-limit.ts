// Keeps what is sent before the freeze under the migration's bandwidth limit.
import type { Clock } from '../../runtime/clock.ts'

export class RateLimit {
  #bytesPerMs: number
  readonly #clock: Clock
  #freeAtMs = 0
  #paceEndsMs: number | undefined

  /** 0: no limit. */
  constructor(megabitsPerSecond: number, clock: Clock) {
    this.#bytesPerMs = bytesPerMs(megabitsPerSecond)
    this.#clock = clock
  }

  /** Where there is no limit, a slower pace for some time. */
  pace(megabitsPerSecond: number, forMs: number): void {
    if (this.#bytesPerMs !== 0 || megabitsPerSecond === 0) return
    this.#bytesPerMs = bytesPerMs(megabitsPerSecond)
    this.#paceEndsMs = this.#clock.nowMs() + forMs
  }

  get wasPaced(): boolean {
    return this.#paceEndsMs !== undefined
  }

  endPace(): void {
    if (this.#paceEndsMs !== undefined) this.lift()
  }

  /** The pod is frozen: from here everything goes at once. */
  lift(): void {
    this.#bytesPerMs = 0
  }

  /** Waits until these bytes may go. */
  async take(bytes: number): Promise<void> {
    const now = this.#clock.nowMs()
    if (this.#paceEndsMs !== undefined && now >= this.#paceEndsMs) this.lift()
    if (this.#bytesPerMs === 0) return
    const startMs = Math.max(this.#freeAtMs, now)
    this.#freeAtMs = startMs + bytes / this.#bytesPerMs
    if (startMs > now) await this.#clock.sleep(startMs - now)
  }
}

function bytesPerMs(megabitsPerSecond: number): number {
  return (megabitsPerSecond * 1_000_000) / 8 / 1000
}
