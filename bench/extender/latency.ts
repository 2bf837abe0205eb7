// Times filter + prioritize as a scheduler sees them: over one kept TLS connection, from another process than the server's.

import { fork } from 'node:child_process'
import { connect, type TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { loadTls } from '../../src/runtime/tls.ts'
import { testAuthority } from '../../test/extender/certificates.ts'
import { pod } from '../../test/extender/cluster.ts'
import type { ServeWish } from './serve.ts'

export interface Latency {
  title: string
  p50: number
  p99: number
  worst: number
  /** 99th percentile of the rounds before, while the program is still being compiled. */
  coldP99: number
}

const nodeCount = 5000
const podsPerNode = 6
/** Of each question, before the rounds that count: a scheduler asks a controller that has been running for more than seconds. */
const warmUpRounds = 1000
const rotations = 11

export async function measureLatency(rounds: number): Promise<{ latencies: Latency[]; builtMs: number }> {
  const authority = await testAuthority()
  const names = Array.from({ length: nodeCount }, (_none, number) => `node-${String(number).padStart(4, '0')}.zone-${number % 3}.example`)
  const wish: ServeWish = { names, podsPerNode, reservationCount: 200, tlsDir: await authority.issue('podmotion-controller') }
  const server = fork(fileURLToPath(new URL('./serve.ts', import.meta.url)))
  try {
    server.send(wish)
    const { port, builtMs } = await new Promise<{ port: number; builtMs: number }>((resolve, reject) =>
      server.once('message', (message) => resolve(message as { port: number; builtMs: number })).once('exit', reject),
    )
    const asking = new Asking(port, loadTls(await authority.issue('podmotion-scheduler')))
    const movable = pod('shop/cart', { cpu: '500m', memory: '1Gi', owner: 'rs-1' })
    const ordinary = pod('shop/web', { cpu: '500m', runtimeClassName: undefined })
    const questions = Object.entries({ movable, ordinary }).flatMap(([kind, asked]) =>
      [500, 5000].map((count) => ({ title: `${kind} pod, ${count} names`, asked, names: names.slice(0, count) })),
    )
    const latencies: Latency[] = []
    for (const { title, asked, names: some } of questions) {
      const { p99: coldP99 } = await asking.times(asked, some, warmUpRounds)
      latencies.push({ title, ...(await asking.times(asked, some, rounds)), coldP99 })
    }
    asking.end()
    return { latencies, builtMs }
  } finally {
    server.kill('SIGKILL')
    authority.remove()
  }
}

/** Asks over one connection with as little as possible of its own: what is timed is the extender, not a client in JavaScript. */
class Asking {
  readonly #socket: TLSSocket
  #answered: () => void = () => undefined
  #failed: (error: Error) => void = () => undefined
  #left = 0

  constructor(port: number, tls: { cert: string; key: string; ca: string }) {
    this.#socket = connect({ ...tls, host: '127.0.0.1', port, servername: 'podmotion-controller' })
    this.#socket.setNoDelay(true)
    this.#socket.on('data', (chunk: Buffer) => this.#read(chunk)).on('error', (error) => this.#failed(error))
  }

  async times(asked: object, names: readonly string[], rounds: number): Promise<Omit<Latency, 'title' | 'coldP99'>> {
    // A scheduler starts its search at another node for each pod.
    const bodies = Array.from({ length: rotations }, (_none, number) => {
      const start = Math.floor((number * names.length) / rotations)
      return JSON.stringify({ Pod: asked, Nodes: null, NodeNames: [...names.slice(start), ...names.slice(0, start)] })
    })
    const requests = bodies.map((body) => [requestOf('/filter', body), requestOf('/prioritize', body)] as const)
    const times: number[] = []
    for (let round = 0; round < rounds; round++) {
      const [filter, prioritize] = requests[round % rotations] as (typeof requests)[number]
      const fromMs = performance.now()
      await this.#ask(filter)
      await this.#ask(prioritize)
      times.push(performance.now() - fromMs)
    }
    times.sort((one, other) => one - other)
    const at = (part: number) => times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0
    return { p50: at(0.5), p99: at(0.99), worst: at(1) }
  }

  end(): void {
    this.#socket.destroy()
  }

  /** Until the last byte has come; what it says is not the question here. */
  #ask(request: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#answered = resolve
      this.#failed = reject
      this.#socket.write(request)
    })
  }

  #read(chunk: Buffer): void {
    if (this.#left === 0) {
      const head = chunk.toString('latin1', 0, chunk.indexOf('\r\n\r\n'))
      if (!head.startsWith('HTTP/1.1 200')) return this.#failed(new Error(`Measuring: the extender answered ${head}`))
      this.#left = head.length + 4 + Number(/content-length: (\d+)/i.exec(head)?.[1])
    }
    this.#left -= chunk.length
    if (this.#left === 0) this.#answered()
  }
}

function requestOf(path: string, body: string): Buffer {
  const head = `POST ${path} HTTP/1.1\r\nHost: podmotion-controller\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`
  return Buffer.from(head + body)
}
