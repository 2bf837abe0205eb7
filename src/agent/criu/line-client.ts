// One connection to a line server of the native programs (stand-in, gate): sends orders, waits for answers.
import { closeSync, openSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'

/** sockaddr_un has room for 108 bytes; long pod names need more. */
const longestSocketPath = 100

export class LineClient {
  readonly #socket: net.Socket
  readonly #path: string
  #lines: string[] = []
  #rest = ''
  #ended = false
  #waiters = new Set<() => void>()

  private constructor(socket: net.Socket, file: string) {
    this.#socket = socket
    this.#path = file
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => this.#take(text))
    socket.on('error', () => this.#end())
    socket.on('close', () => this.#end())
  }

  static async connect(file: string): Promise<LineClient> {
    const { place, close } = shortSocketPath(file)
    return new LineClient(await connectTo(place).finally(close), file)
  }

  send(line: string): void {
    if (!this.#ended) this.#socket.write(`${line}\n`)
  }

  get ended(): boolean {
    return this.#ended
  }

  /** The first line, already here or still to come, that fits; all lines are kept, so nothing is missed. */
  async waitFor(fits: (line: string) => boolean, timeoutMs: number, signal?: AbortSignal): Promise<string> {
    const deadlineMs = performance.now() + timeoutMs
    for (;;) {
      const found = this.#lines.find(fits)
      if (found !== undefined) return found
      if (this.#ended) throw new Error(`${this.#path} closed after saying "${this.#lines.at(-1) ?? ''}"`)
      signal?.throwIfAborted()
      const leftMs = deadlineMs - performance.now()
      if (leftMs <= 0) throw new Error(`${this.#path} did not answer within ${timeoutMs} ms (last: "${this.#lines.at(-1) ?? ''}")`)
      await this.#next(leftMs, signal)
    }
  }

  /** Sends and takes the first line that comes after it. */
  ask(line: string, timeoutMs: number): Promise<string> {
    this.#lines = []
    this.send(line)
    return this.waitFor(() => true, timeoutMs)
  }

  close(): void {
    this.#socket.destroy()
  }

  #next(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', wake)
        this.#waiters.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, timeoutMs)
      signal?.addEventListener('abort', wake)
      this.#waiters.add(wake)
    })
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    this.#lines.push(...lines)
    this.#wake()
  }

  #end(): void {
    this.#ended = true
    this.#wake()
  }

  #wake(): void {
    for (const wake of this.#waiters) wake()
  }
}

/** A path that fits into sockaddr_un, as long as `close` was not called. */
export function shortSocketPath(file: string): { place: string; close: () => void } {
  if (Buffer.byteLength(file) <= longestSocketPath) return { place: file, close: () => undefined }
  const folder = openSync(path.dirname(file), 'r')
  let open = true
  const close = (): void => {
    if (open) closeSync(folder)
    open = false
  }
  return { place: `/proc/self/fd/${folder}/${path.basename(file)}`, close }
}

function connectTo(file: string): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(file)
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve(socket)
    })
  })
}

/** Connects as soon as somebody listens there. */
export async function connectWhenThere(file: string, timeoutMs: number, signal?: AbortSignal): Promise<LineClient> {
  const deadlineMs = performance.now() + timeoutMs
  for (;;) {
    signal?.throwIfAborted()
    try {
      return await LineClient.connect(file)
    } catch (error) {
      if (performance.now() > deadlineMs) throw new Error(`Connecting to ${file}: nobody listens after ${timeoutMs} ms`, { cause: error })
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}
