// A resource kept in memory, always about to be fresh: list once, then watch; own writes go in at once.
import { backoffMs } from '../runtime/backoff.ts'
import { type Clock, realClock } from '../runtime/clock.ts'
import { log } from '../runtime/log.ts'
import { watchHeardAt, watchRestarts } from '../runtime/metrics.ts'
import { isGone, type KubeClient, type KubeList, type WatchEvent } from './client.ts'
import { type Cached, ObjectStore, type StoreChange } from './object-store.ts'

export interface WatchCacheOptions {
  labelSelector?: string
  fieldSelector?: string
  clock?: Clock
  random?: () => number
}

const backoff = { baseMs: 500, maxMs: 30_000 }
const shortestLifeMs = 1000

export class WatchCache<T> {
  readonly #client: KubeClient
  readonly #path: string
  readonly #options: WatchCacheOptions
  readonly #clock: Clock
  readonly #store = new ObjectStore()
  #synced = false
  /** Where the watch goes on; undefined: list first. */
  #version: string | undefined
  #failures = 0
  /** Lists made again since the last event. */
  #relists = 0
  #startedAtMs = 0

  constructor(client: KubeClient, path: string, options: WatchCacheOptions = {}) {
    this.#client = client
    this.#path = path
    this.#options = options
    this.#clock = options.clock ?? realClock
  }

  get synced(): boolean {
    return this.#synced
  }

  /** Resolves when everything that exists was listed once (or the signal aborted), and goes on in the background until the signal aborts. */
  start(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true })
      void this.#follow(signal, resolve)
    })
  }

  get(namespace: string | undefined, name: string): T | undefined {
    return this.#store.get(namespace, name) as T | undefined
  }

  list(): readonly T[] {
    return this.#store.list() as unknown as readonly T[]
  }

  onChange(listener: (change: StoreChange<T>) => void): void {
    this.#store.onChange((change) => listener(change as unknown as StoreChange<T>))
  }

  /** What a write of our own returned, so that the next decision sees it before the watch brings it. */
  upsert(object: T): void {
    this.#store.put(object as Cached)
  }

  async #follow(signal: AbortSignal, listed: () => void): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#version === undefined) await this.#relist()
        listed()
        await this.#watch(signal)
        await this.#ended(signal)
      } catch (error) {
        if (!signal.aborted) await this.#recover(error, signal)
      }
    }
  }

  async #relist(): Promise<void> {
    const { labelSelector, fieldSelector } = this.#options
    const answer: KubeList<Cached> = await this.#client.list(this.#path, { labelSelector, fieldSelector })
    this.#version = answer.metadata.resourceVersion
    this.#store.replaceAll(answer.items, this.#version)
    this.#synced = true
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { labelSelector, fieldSelector } = this.#options
    const query = { labelSelector, fieldSelector, resourceVersion: this.#version }
    this.#startedAtMs = this.#clock.nowMs()
    for await (const event of this.#client.watch<Cached>(this.#path, query, signal)) {
      this.#apply(event)
      this.#heard()
    }
  }

  #apply({ type, object }: WatchEvent<Cached>): void {
    this.#version = object.metadata.resourceVersion
    if (type === 'BOOKMARK') return
    if (type === 'DELETED') this.#store.remove(object)
    else this.#store.put(object)
  }

  #heard(): void {
    this.#failures = 0
    this.#relists = 0
    watchHeardAt.set({ path: this.#path }, this.#clock.nowMs() / 1000)
  }

  /** Watches end every few minutes; one that ends at once comes from a server in trouble, which we do not make worse. */
  async #ended(signal: AbortSignal): Promise<void> {
    this.#restarted('end')
    const livedMs = this.#clock.nowMs() - this.#startedAtMs
    if (livedMs < shortestLifeMs) await this.#clock.sleep(shortestLifeMs, signal)
    else this.#heard()
  }

  /** Too old a version means that events were missed: list again at once. Anything else: the same version again, after a while. */
  async #recover(error: unknown, signal: AbortSignal): Promise<void> {
    const gone = isGone(error)
    this.#restarted(gone ? 'gone' : 'error')
    this.#failures++
    if (gone) this.#version = undefined
    if (gone && this.#relists++ === 0) return
    log.warn({ err: error, path: this.#path, failures: this.#failures }, 'watch failed, trying again')
    const random = this.#options.random ?? Math.random
    await this.#clock.sleep(backoffMs(this.#failures, backoff, random()), signal)
  }

  #restarted(cause: string): void {
    watchRestarts.inc({ path: this.#path, cause })
  }
}
