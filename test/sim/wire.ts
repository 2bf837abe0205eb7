// The network between machines: slow, lossy, cut in one direction or both; what is asked may arrive twice, late, or never.
import { CodedError } from '../../src/runtime/errors.ts'
import type { Dice } from './dice.ts'
import type { Life } from './life.ts'
import type { Loop } from './loop.ts'

export interface Trouble {
  /** Chance of each message to be lost, to come twice, to be late. */
  loss: number
  duplication: number
  lateness: number
}

const calm: Trouble = { loss: 0, duplication: 0, lateness: 0 }
const fastestMs = 0.2
const slowestMs = 3
const lateMs = 4000
/** A connection may deliver what it was given long after its sender gave up. */
const veryLateMs = 30_000

export interface Asking {
  from: Life
  to: string
  timeoutMs: number
  signal?: AbortSignal
  /** For error messages. */
  what: string
}

export class Wire {
  readonly #loop: Loop
  readonly #dice: Dice
  /** `from>to`, until when. */
  readonly #cuts = new Map<string, number>()
  trouble: Trouble = calm

  constructor(loop: Loop, dice: Dice) {
    this.#loop = loop
    this.#dice = dice
  }

  cut(from: string, to: string, ms: number): void {
    this.#cuts.set(`${from}>${to}`, this.#loop.nowMs + ms)
  }

  heal(): void {
    this.#cuts.clear()
    this.trouble = calm
  }

  isCut(from: string, to: string): boolean {
    return (this.#cuts.get(`${from}>${to}`) ?? 0) > this.#loop.nowMs
  }

  delayMs(): number {
    const late = this.#dice.chance(this.trouble.lateness) ? this.#dice.between(50, this.#dice.chance(0.2) ? veryLateMs : lateMs) : 0
    return this.#dice.between(fastestMs, slowestMs) + late
  }

  loses(from: string, to: string): boolean {
    return this.isCut(from, to) || this.#dice.chance(this.trouble.loss)
  }

  duplicates(): boolean {
    return this.#dice.chance(this.trouble.duplication)
  }

  /** `serverOf` is looked up when the request arrives: nobody there is a refused connection. */
  ask<T>({ from, to, timeoutMs, signal, what }: Asking, serverOf: () => Life | undefined, handle: () => Promise<T>): Promise<T> {
    // What a killed program still computes reaches nobody.
    if (!from.alive) return new Promise<T>(() => undefined)
    return new Promise<T>((resolve, reject) => {
      let over = false
      const fail = (reason: string) => {
        if (!over) from.run(() => reject(unreachable(what, to, reason)))
        over = true
      }
      const take = (tell: () => void) => {
        over = true
        tell()
      }
      from.after(timeoutMs, () => fail(`no answer within ${timeoutMs} ms`))
      signal?.addEventListener('abort', () => fail('given up'), { once: true })
      if (signal?.aborted) return fail('given up')
      const answered = {
        resolve: (value: T) => from.run(() => take(() => resolve(value))),
        reject: (error: unknown) => from.run(() => take(() => reject(error))),
      }
      this.#send(from.place, to, serverOf, handle, answered, fail)
      if (this.duplicates()) this.#send(from.place, to, serverOf, handle, undefined, () => undefined)
    })
  }

  #send<T>(
    from: string,
    to: string,
    serverOf: () => Life | undefined,
    handle: () => Promise<T>,
    answered: { resolve(value: T): void; reject(error: unknown): void } | undefined,
    fail: (reason: string) => void,
  ): void {
    if (this.loses(from, to)) return
    this.#loop.after(this.delayMs(), () => {
      if (this.isCut(from, to)) return
      const server = serverOf()
      const back = (tell: () => void) => {
        if (answered && !this.loses(to, from)) this.#loop.after(this.delayMs(), tell)
      }
      if (!server?.alive) return back(() => fail('connection refused'))
      const forget = server.onEnd(() => back(() => fail('connection reset')))
      server.run(() => {
        handle()
          .finally(forget)
          .then(
            (value) => server.run(() => back(() => answered?.resolve(structuredClone(value)))),
            (error: unknown) => server.run(() => back(() => answered?.reject(error))),
          )
      })
    })
  }
}

function unreachable(what: string, to: string, reason: string): CodedError {
  return new CodedError('Unreachable', `Asking ${to} for ${what}: ${reason}`, { retryable: true })
}
