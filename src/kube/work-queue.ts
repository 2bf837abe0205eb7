// Keys to look at again: each at most once in line, never handled twice at once, failed ones later and later.
import { type Backoff, backoffMs } from '../runtime/backoff.ts'
import type { Clock } from '../runtime/clock.ts'
import { log } from '../runtime/log.ts'
import { queueFailures } from '../runtime/metrics.ts'

export interface WorkQueueOptions {
  clock: Clock
  baseBackoffMs: number
  maxBackoffMs: number
  /** For logs and metrics. */
  name?: string
  random?: (() => number) | undefined
}

export interface HandlerResult {
  requeueAfterMs?: number
}

export type Handler = (key: string) => Promise<HandlerResult | undefined | void>

export class WorkQueue {
  readonly #clock: Clock
  readonly #backoff: Backoff
  readonly #name: string
  readonly #random: () => number
  /** Keys in line, in order. */
  readonly #line = new Set<string>()
  readonly #handled = new Set<string>()
  /** Asked for again while being handled. */
  readonly #again = new Set<string>()
  readonly #timers = new Map<string, { atMs: number; cancel: AbortController }>()
  readonly #failures = new Map<string, number>()
  readonly #idle: (() => void)[] = []

  constructor(options: WorkQueueOptions) {
    this.#clock = options.clock
    this.#backoff = { baseMs: options.baseBackoffMs, maxMs: options.maxBackoffMs }
    this.#name = options.name ?? 'queue'
    this.#random = options.random ?? Math.random
  }

  add(key: string): void {
    if (this.#handled.has(key)) {
      this.#again.add(key)
      return
    }
    this.#line.add(key)
    this.#idle.shift()?.()
  }

  /** The earliest of several wishes for one key counts. */
  addAfter(key: string, ms: number): void {
    if (ms <= 0) return this.add(key)
    const atMs = this.#clock.nowMs() + ms
    const planned = this.#timers.get(key)
    if (planned && planned.atMs <= atMs) return
    planned?.cancel.abort()
    const timer = { atMs, cancel: new AbortController() }
    this.#timers.set(key, timer)
    void this.#clock.sleep(ms, timer.cancel.signal).then(() => this.#due(key, timer))
  }

  /** Handles keys until the signal aborts and the handlers that run then have ended. */
  async run(handler: Handler, { concurrency, signal }: { concurrency: number; signal: AbortSignal }): Promise<void> {
    const stop = () => {
      for (const { cancel } of this.#timers.values()) cancel.abort()
      for (const wake of this.#idle.splice(0)) wake()
    }
    signal.addEventListener('abort', stop, { once: true })
    await Promise.all(Array.from({ length: concurrency }, () => this.#work(handler, signal)))
    signal.removeEventListener('abort', stop)
  }

  #due(key: string, timer: { cancel: AbortController }): void {
    if (timer.cancel.signal.aborted) return
    this.#timers.delete(key)
    this.add(key)
  }

  async #work(handler: Handler, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const key = this.#take()
      if (key === undefined) await new Promise<void>((wake) => this.#idle.push(wake))
      else await this.#handle(key, handler)
    }
  }

  #take(): string | undefined {
    const [key] = this.#line
    if (key === undefined) return undefined
    this.#line.delete(key)
    this.#handled.add(key)
    return key
  }

  async #handle(key: string, handler: Handler): Promise<void> {
    try {
      const result = await handler(key)
      this.#failures.delete(key)
      this.#done(key, result?.requeueAfterMs)
    } catch (error) {
      const failures = (this.#failures.get(key) ?? 0) + 1
      this.#failures.set(key, failures)
      queueFailures.inc({ queue: this.#name })
      log.error({ err: error, queue: this.#name, key, failures }, 'handling a key failed, trying again later')
      this.#done(key, backoffMs(failures, this.#backoff, this.#random()))
    }
  }

  #done(key: string, requeueAfterMs: number | undefined): void {
    this.#handled.delete(key)
    if (this.#again.delete(key)) this.add(key)
    if (requeueAfterMs !== undefined) this.addAfter(key, requeueAfterMs)
  }
}
