// Asks another agent: JSON calls and raw streams over mutual TLS, on connections that stay open and warm.
import https from 'node:https'
import type { Duplex } from 'node:stream'
import type { z } from 'zod'
import { CodedError, messageOf } from '../../runtime/errors.ts'
import { tlsAgent } from '../../runtime/tls.ts'

export interface CallOptions {
  timeoutMs?: number
  signal?: AbortSignal
}

const callTimeoutMs = 10_000
const connectTimeoutMs = 5000
/** Pipelines both ways and their watchers. */
const streamListeners = 40

export class Peers {
  readonly #agent: https.Agent

  constructor(tlsDir: string) {
    this.#agent = tlsAgent(tlsDir, 'podmotion-agent')
  }

  to(address: string): Peer {
    return new Peer(address, this.#agent)
  }

  close(): void {
    this.#agent.destroy()
  }
}

export class Peer {
  readonly address: string
  readonly #agent: https.Agent
  readonly #host: string
  readonly #port: string

  constructor(address: string, agent: https.Agent) {
    this.address = address
    this.#agent = agent
    const colon = address.lastIndexOf(':')
    // An IPv6 address is in brackets.
    this.#host = address.slice(0, colon).replaceAll(/[[\]]/g, '')
    this.#port = address.slice(colon + 1)
  }

  /** Opens connections ahead, so that no handshake falls into the freeze. */
  async warm(connections: number, path: string, body: unknown): Promise<void> {
    await Promise.all(Array.from({ length: connections }, () => this.#post(path, body, {})))
  }

  async call<T>(path: string, body: unknown, schema: z.ZodType<T>, options: CallOptions = {}): Promise<T> {
    const { status, text } = await this.#post(path, body, options)
    if (status >= 300) throw wireError(this.address, path, status, text)
    return schema.parse(JSON.parse(text || '{}'))
  }

  /** A raw stream both ways, after an HTTP upgrade. */
  open(path: string): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      const request = https.request({
        ...this.#target(path),
        headers: { connection: 'Upgrade', upgrade: 'podmotion' },
        timeout: connectTimeoutMs,
      })
      request.once('upgrade', (_response, socket) => {
        socket.setNoDelay(true)
        socket.setMaxListeners(streamListeners)
        socket.setTimeout(0)
        resolve(socket)
      })
      request.once('response', (response) => {
        void readAll(response).then((text) => reject(wireError(this.address, path, response.statusCode ?? 0, text)), reject)
      })
      request.once('timeout', () => request.destroy(new Error(`no answer within ${connectTimeoutMs} ms`)))
      request.once('error', (error) => reject(unreachable(this.address, path, error)))
      request.end()
    })
  }

  #post(path: string, body: unknown, options: CallOptions): Promise<{ status: number; text: string }> {
    const data = Buffer.from(JSON.stringify(body))
    return new Promise((resolve, reject) => {
      const timeoutMs = options.timeoutMs ?? callTimeoutMs
      const request = https.request({
        ...this.#target(path),
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-length': data.length },
        ...(options.signal ? { signal: options.signal } : {}),
      })
      const timer = setTimeout(() => request.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
      request.once('close', () => clearTimeout(timer))
      request.once('error', (error) => reject(unreachable(this.address, path, error)))
      request.once('response', (response) => {
        void readAll(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject)
      })
      request.end(data)
    })
  }

  #target(path: string): https.RequestOptions {
    return { host: this.#host, port: this.#port, path, agent: this.#agent }
  }
}

async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

function unreachable(address: string, path: string, error: Error): CodedError {
  return new CodedError('PeerUnreachable', `Asking the agent at ${address} for ${path}: ${messageOf(error)}`, {
    retryable: true,
    cause: error,
  })
}

function wireError(address: string, path: string, status: number, text: string): CodedError {
  try {
    const { code, message } = JSON.parse(text) as { code?: string; message?: string }
    if (code && message) return new CodedError(code, message)
  } catch {
    // Not ours: quoted below.
  }
  return new CodedError('PeerAnswered', `Asking the agent at ${address} for ${path}: HTTP ${status} ${text.slice(0, 300)}`)
}
