// The real code's door to the simulated API server: each call takes time, may be lost before or after it was done, and watches lag, end and break.
import type { DeleteOptions, KubeClient, KubeList, Query, WatchEvent } from '../../src/kube/client.ts'
import { CodedError } from '../../src/runtime/errors.ts'
import { type ApiServer, type Change, fail, placeOf, type Thing } from './api-server.ts'
import type { Dice } from './dice.ts'
import type { Life } from './life.ts'
import type { Wire } from './wire.ts'

export const apiPlace = 'api'
const requestTimeoutMs = 30_000
const shortestWatchMs = 60_000

export interface ApiTrouble {
  downUntilMs: number
  /** Chance of 500, 429 or a lost answer. */
  errors: number
  /** Watches say nothing until then. */
  silentUntilMs: number
}

export interface ApiDoor {
  server: ApiServer
  wire: Wire
  dice: Dice
  trouble: ApiTrouble
  /** One of the deliberate mistakes. */
  keepsReservations: boolean
}

export function clientFor(door: ApiDoor, life: Life): KubeClient {
  return new Client(door, life) as unknown as KubeClient
}

class Client {
  readonly #door: ApiDoor
  readonly #life: Life

  constructor(door: ApiDoor, life: Life) {
    this.#door = door
    this.#life = life
  }

  get<T>(path: string): Promise<T> {
    return this.#ask(`GET ${path}`, () => this.#door.server.get(path)) as Promise<T>
  }

  list<T>(path: string): Promise<KubeList<T>> {
    return this.#ask(`LIST ${path}`, () => this.#door.server.list(path)) as unknown as Promise<KubeList<T>>
  }

  create<T>(path: string, body: T): Promise<T> {
    // Events tell people; nobody here reads them.
    if (path.endsWith('/events')) return Promise.resolve(body)
    return this.#ask(`POST ${path}`, () => this.#door.server.create(this.#life.name, path, body as Partial<Thing>)) as Promise<T>
  }

  replace<T>(path: string, body: T): Promise<T> {
    return this.#ask(`PUT ${path}`, () => this.#door.server.replace(this.#life.name, path, body as Thing)) as Promise<T>
  }

  mergePatch<T>(path: string, body: unknown): Promise<T> {
    const patch = this.#door.keepsReservations ? withoutFreeing(body as Patch) : (body as Patch)
    return this.#ask(`PATCH ${path}`, () => this.#door.server.patch(this.#life.name, path, patch)) as Promise<T>
  }

  async delete(path: string, options: DeleteOptions = {}): Promise<void> {
    await this.#ask(`DELETE ${path}`, () => {
      this.#door.server.delete(this.#life.name, path, options)
      return undefined
    })
  }

  async *watch<T>(path: string, query: Query, signal: AbortSignal): AsyncGenerator<WatchEvent<T>> {
    const { collection } = placeOf(path)
    const from = Number(query.resourceVersion ?? 0)
    // It begins where the API server is when it reads the request: whatever the answer takes, nothing is missed.
    const begin = () => new Stream(this.#door, this.#life, collection, this.#door.server.since(collection, from), signal)
    const stream = await this.#ask(`WATCH ${path}`, begin)
    for (;;) {
      const event = await stream.next()
      if (event === 'ended') return
      yield event as unknown as WatchEvent<T>
    }
  }

  #ask<T>(what: string, act: () => T): Promise<T> {
    const { wire, trouble } = this.#door
    const life = this.#life
    if (!life.alive) return new Promise<T>(() => undefined)
    return new Promise<T>((resolve, reject) => {
      const broken = (reason: string) =>
        new CodedError('ApiServerUnreachable', `${what}: API server did not answer (${reason})`, { retryable: true })
      let answered = false
      life.after(requestTimeoutMs, () => answered || reject(broken('timeout')))
      if (wire.loses(life.place, apiPlace)) return
      life.loop.after(wire.delayMs(), () => {
        if (life.loop.nowMs < trouble.downUntilMs) return this.#back(() => reject(broken('connection refused')))
        const outcome = this.#done(act)
        this.#back(() => {
          answered = true
          if ('error' in outcome) reject(outcome.error)
          else resolve(outcome.value)
        })
      })
    })
  }

  #back(tell: () => void): void {
    const { wire } = this.#door
    if (wire.loses(apiPlace, this.#life.place)) return
    this.#life.loop.after(wire.delayMs(), () => this.#life.run(tell))
  }

  /** An error may come before or after the work was done. */
  #done<T>(act: () => T): { value: T } | { error: unknown } {
    const { dice, trouble } = this.#door
    try {
      if (dice.chance(trouble.errors)) fail(dice.pick([500, 429, 503]), 'InternalError', 'the simulation says so')
      const value = act()
      if (dice.chance(trouble.errors)) return { error: new CodedError('ApiServerUnreachable', 'connection reset', { retryable: true }) }
      return { value }
    } catch (error) {
      return { error }
    }
  }
}

interface Patch extends Record<string, unknown> {
  status?: Record<string, unknown>
}

function withoutFreeing(patch: Patch): Patch {
  if (patch.status?.reservation !== null) return patch
  const { reservation: _freed, ...status } = patch.status
  return { ...patch, status }
}

/** One watch: events in order, each a little late; it ends by itself, breaks with the network, or goes silent. */
class Stream {
  readonly #door: ApiDoor
  readonly #life: Life
  readonly #queue: ({ event: WatchEvent<Thing> } | 'ended' | 'broken')[] = []
  #waiting: { resolve(event: WatchEvent<Thing> | 'ended'): void; reject(error: unknown): void } | undefined
  #lastMs = 0
  readonly #forget: () => void

  constructor(door: ApiDoor, life: Life, collection: string, missed: readonly Change[], signal: AbortSignal) {
    this.#door = door
    this.#life = life
    for (const change of missed) this.#send(change)
    this.#forget = door.server.onChange(collection, (change) => this.#send(change))
    life.onEnd(this.#forget)
    life.after(door.dice.between(shortestWatchMs, 5 * shortestWatchMs), () => this.#arrive('ended'))
    signal.addEventListener('abort', () => this.#arrive('ended'), { once: true })
  }

  next(): Promise<WatchEvent<Thing> | 'ended'> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#give()
    })
  }

  #send({ type, object }: Change): void {
    const { wire, trouble } = this.#door
    const loop = this.#life.loop
    // A connection that loses a packet for long is broken: a gap is never silent.
    if (loop.nowMs < trouble.downUntilMs || wire.isCut(apiPlace, this.#life.place)) return this.#break()
    const silentMs = Math.max(0, trouble.silentUntilMs - loop.nowMs)
    this.#lastMs = Math.max(this.#lastMs, loop.nowMs + wire.delayMs() + silentMs)
    loop.at(this.#lastMs, () => this.#life.run(() => this.#arrive({ event: { type, object } })))
  }

  #break(): void {
    this.#forget()
    this.#life.after(this.#door.dice.between(100, 10_000), () => this.#arrive('broken'))
  }

  #arrive(what: { event: WatchEvent<Thing> } | 'ended' | 'broken'): void {
    if (what === 'ended' || what === 'broken') this.#forget()
    this.#queue.push(what)
    this.#give()
  }

  #give(): void {
    const waiting = this.#waiting
    const next = waiting && this.#queue.shift()
    if (!waiting || next === undefined) return
    this.#waiting = undefined
    if (next === 'broken') waiting.reject(new CodedError('WatchBroken', 'the connection broke', { retryable: true }))
    else waiting.resolve(next === 'ended' ? 'ended' : next.event)
  }
}
