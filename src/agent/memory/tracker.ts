// One `podmotion-pages track` (native/README.md): copies a container's memory to the peer round by round, while the container runs.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { CodedError } from '../../runtime/errors.ts'
import { log } from '../../runtime/log.ts'
import { putFirst } from '../priority.ts'

const roundTimeoutMs = 600_000
const finalTimeoutMs = 30_000
const cameTimeoutMs = 5000

const Untracked = z.array(z.object({ pid: z.int(), reason: z.string() }))
export const TrackerRound = z.object({
  processes: z.int(),
  untracked: Untracked.default([]),
  pages: z.int(),
  zeroPages: z.int().default(0),
  bytes: z.int(),
  /** What the bytes became on the way, where they were packed. */
  sent: z.int(),
  segments: z.int().default(0),
  suspect: z.int().default(0),
  /** Longest stop of the whole container, and of one process, in this round. */
  pauseUs: z.int().default(0),
  stopUs: z.int().default(0),
  elapsedUs: z.int(),
})
export type TrackerRound = z.infer<typeof TrackerRound>

const Came = z.object({ came: z.boolean() })
const Listed = z.object({ listed: z.literal(true) })
const Final = z.object({
  final: z.literal(true),
  missing: z.int(),
  bytes: z.int(),
  sent: z.int(),
  /** Bytes that are still to be had here, and only here. */
  left: z.int().default(0),
  /** Pages of shared memory that had to be read again, and the first reason for that. */
  compared: z.int().default(0),
  doubt: z.string().default(''),
})
const Failure = z.object({ error: z.string() })

export interface TrackerPlaces {
  /** podmotion-pages on this node. */
  program: string
  /** The container's cgroup: v1 freezer folder, or v2 folder. */
  freezer: string
  /** A unix socket that leads to the peer's store. */
  stream: string
  /** Where the dump reads what it may leave out. */
  skip: string
  /** Contents go as LZ4 blocks where that makes them smaller. */
  packed: boolean
}

/** What is said to be left out of the dump is there when `listed`; the peer has every page of it when `complete`. */
export interface FinalCopy {
  listed: Promise<void>
  complete: Promise<FinalBytes>
}

export interface FinalBytes {
  bytes: number
  sent: number
  /** Stayed with the frozen processes. */
  left: number
}

export class Tracker {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #lines: string[] = []
  readonly #waiters: ((line: string | undefined) => void)[] = []
  #ended = false
  #said = ''

  constructor({ program, freezer, stream, skip, packed }: TrackerPlaces) {
    const options = ['--freezer', freezer, '--stream', stream, '--skip', skip, ...(packed ? ['--pack', 'lz4'] : [])]
    this.#child = spawn(program, ['track', ...options], { stdio: 'pipe' })
    putFirst(this.#child.pid)
    this.#child.stdin.on('error', () => undefined)
    this.#child.stderr.on('data', (chunk: Buffer) => {
      this.#said = (this.#said + chunk.toString()).slice(-1000)
    })
    this.#child.once('error', (error) => this.#end(error.message))
    this.#child.once('close', () => this.#end(''))
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#take(line))
  }

  async round(): Promise<TrackerRound> {
    return await this.#ask('round', TrackerRound, roundTimeoutMs)
  }

  /** A process or thread began since the last round, as far as can be told: it may have written to shared memory, and ended. Stops nobody. */
  async came(): Promise<boolean> {
    return (await this.#ask('came', Came, cameTimeoutMs)).came
  }

  /** The container is frozen, and stays so until the dump is complete. `later`: pages that the peer can ask for afterwards are not copied. */
  final(later = false): FinalCopy {
    const listed = this.#ask(later ? 'final later' : 'final', Listed, finalTimeoutMs).then(() => undefined)
    const complete = listed.then(async () => {
      const { missing, bytes, sent, left, compared, doubt } = await this.#next(Final, finalTimeoutMs)
      if (compared > 0) log.info({ pages: compared, doubt }, 'shared memory was compared in the freeze')
      if (missing > 0) throw failure(`${missing} pages never reached the destination`)
      return { bytes, sent, left }
    })
    complete.catch(() => undefined)
    return { listed, complete }
  }

  /** Takes all protection off the memory. */
  close(): void {
    this.#child.stdin.end()
  }

  async #ask<T>(command: string, schema: z.ZodType<T>, timeoutMs: number): Promise<T> {
    if (!this.#ended) this.#child.stdin.write(`${command}\n`)
    return await this.#next(schema, timeoutMs)
  }

  async #next<T>(schema: z.ZodType<T>, timeoutMs: number): Promise<T> {
    const line = this.#lines.shift() ?? (await this.#waitForLine(timeoutMs))
    const value: unknown = JSON.parse(line)
    const error = Failure.safeParse(value).data?.error
    if (error !== undefined) throw failure(error)
    return schema.parse(value)
  }

  #waitForLine(timeoutMs: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(failure(`no answer within ${timeoutMs} ms`)), timeoutMs)
      const waiter = (line: string | undefined): void => {
        clearTimeout(timer)
        if (line === undefined) reject(failure(`the tracker ended (${this.#said.trim() || 'it said nothing'})`))
        else resolve(line)
      }
      if (this.#ended) waiter(undefined)
      else this.#waiters.push(waiter)
    })
  }

  #take(line: string): void {
    const waiter = this.#waiters.shift()
    if (waiter) waiter(line)
    else this.#lines.push(line)
  }

  #end(said: string): void {
    this.#ended = true
    this.#said += said
    for (const waiter of this.#waiters.splice(0)) waiter(undefined)
  }
}

function failure(reason: string): CodedError {
  return new CodedError('MemoryCopyFailed', `Copying memory ahead of the freeze: ${reason}`)
}
