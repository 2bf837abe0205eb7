// The only door to the API server: typed reads and writes by path, and watches as streams of events.
import type { KubeConfig } from '@kubernetes/client-node'
import { type Clock, realClock } from '../runtime/clock.ts'
import { apiRequests } from '../runtime/metrics.ts'
import { type Connection, connectionFromConfig, connectionFromDefault, connectionFromUrl } from './connection.ts'
import { KubeError } from './kube-error.ts'
import { describe, exchange, type KubeRequest, type KubeResponse } from './request.ts'
import { readWatch, type WatchEvent } from './watch-stream.ts'

export { isAlreadyExists, isConflict, isGone, isNotFound, KubeError } from './kube-error.ts'
export type { WatchEvent } from './watch-stream.ts'

export type Query = Record<string, string | number | boolean | undefined>

export interface KubeList<T> {
  items: T[]
  metadata: { resourceVersion?: string }
}

export interface DeleteOptions {
  /** Only this very object; another one of the same name is left alone (409 Conflict). */
  uid?: string
  gracePeriodSeconds?: number
}

const requestTimeoutMs = 30_000
// The API server sheds load with 429 and Retry-After before it has done anything, so every method may be sent again.
const longestPolitenessMs = 10_000
const attempts = 4

export class KubeClient {
  readonly #connection: Connection
  readonly #clock: Clock

  constructor(connection: Connection, clock: Clock = realClock) {
    this.#connection = connection
    this.#clock = clock
  }

  /** KUBECONFIG, ~/.kube/config, or the pod's service account, in this order. */
  static fromDefault(): KubeClient {
    return new KubeClient(connectionFromDefault())
  }

  static fromConfig(config: KubeConfig): KubeClient {
    return new KubeClient(connectionFromConfig(config))
  }

  /** Without credentials: `kubectl proxy` and tests. */
  static fromUrl(url: string, clock?: Clock): KubeClient {
    return new KubeClient(connectionFromUrl(url), clock)
  }

  get<T>(path: string): Promise<T> {
    return this.#call<T>({ method: 'GET', path })
  }

  list<T>(path: string, query: Query = {}): Promise<KubeList<T>> {
    return this.#call<KubeList<T>>({ method: 'GET', path: withQuery(path, query) })
  }

  create<T>(path: string, body: T): Promise<T> {
    return this.#call<T>({ method: 'POST', path, body })
  }

  /** With metadata.resourceVersion in the body: only if nobody changed it since. */
  replace<T>(path: string, body: T): Promise<T> {
    return this.#call<T>({ method: 'PUT', path, body })
  }

  /** Lists are replaced whole and null removes a field (RFC 7386). */
  mergePatch<T>(path: string, body: unknown): Promise<T> {
    return this.#call<T>({ method: 'PATCH', path, body, contentType: 'application/merge-patch+json' })
  }

  async delete(path: string, options: DeleteOptions = {}): Promise<void> {
    const { uid, gracePeriodSeconds } = options
    const body = {
      kind: 'DeleteOptions',
      apiVersion: 'v1',
      ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
      ...(uid === undefined ? {} : { preconditions: { uid } }),
    }
    await this.#call({ method: 'DELETE', path, body })
  }

  /** Ends when the API server ends it (each few minutes); throws KubeError 410 when the version is too old. */
  watch<T>(path: string, query: Query, signal: AbortSignal): AsyncGenerator<WatchEvent<T>> {
    return readWatch<T>(this.#connection, (extra) => withQuery(path, { ...query, ...extra }), signal)
  }

  async #call<T>(wish: Omit<KubeRequest, 'timeoutMs'>): Promise<T> {
    const request = { ...wish, timeoutMs: requestTimeoutMs }
    const response = await this.#politely(request)
    if (response.status >= 400) throw new KubeError(describe(request), response.status, response.body)
    return JSON.parse(response.body) as T
  }

  async #politely(request: KubeRequest): Promise<KubeResponse> {
    for (let attempt = 1; ; attempt++) {
      const response = await this.#once(request)
      const again = response.status === 429 && response.retryAfterSeconds > 0 && attempt < attempts
      if (!again) return response
      await this.#clock.sleep(Math.min(response.retryAfterSeconds * 1000, longestPolitenessMs))
    }
  }

  async #once(request: KubeRequest): Promise<KubeResponse> {
    let response = await this.#sent(request)
    if (response.status === 401) response = await exchange(this.#connection, request, true)
    apiRequests.inc({ method: request.method, code: response.status })
    return response
  }

  /** A kept-alive connection can be closed by the other side just as it is used again; a read may simply be sent once more. */
  async #sent(request: KubeRequest): Promise<KubeResponse> {
    try {
      return await exchange(this.#connection, request)
    } catch (error) {
      if (request.method !== 'GET' || !wasReset(error)) throw error
      return exchange(this.#connection, request)
    }
  }
}

function wasReset(error: unknown): boolean {
  const cause = (error as { cause?: { code?: string } }).cause
  return cause?.code === 'ECONNRESET' || cause?.code === 'EPIPE'
}

function withQuery(path: string, query: Query): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined && value !== '') parameters.set(name, String(value))
  return parameters.size === 0 ? path : `${path}?${parameters}`
}
