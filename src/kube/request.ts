// One HTTP request to the API server: sent, answered, or an error that names it.
import http from 'node:http'
import https from 'node:https'
import { text } from 'node:stream/consumers'
import { CodedError, messageOf } from '../runtime/errors.ts'
import type { Connection } from './connection.ts'

export interface KubeRequest {
  method: string
  path: string
  contentType?: string
  body?: unknown
  timeoutMs: number
  signal?: AbortSignal
}

export interface KubeResponse {
  status: number
  retryAfterSeconds: number
  body: string
}

/** Sends, and hands over the response as soon as its headers are there; watches read it line by line. */
export async function open(connection: Connection, request: KubeRequest, fresh = false): Promise<http.IncomingMessage> {
  const base = await connection.options(fresh)
  const payload = request.body === undefined ? undefined : JSON.stringify(request.body)
  const headers = {
    ...(base.headers as Record<string, string> | undefined),
    accept: 'application/json',
    'user-agent': 'podmotion',
    ...(payload === undefined
      ? {}
      : { 'content-type': request.contentType ?? 'application/json', 'content-length': Buffer.byteLength(payload) }),
  }
  const target = new URL(connection.server.pathname.replace(/\/$/, '') + request.path, connection.server)
  const send = target.protocol === 'http:' ? http.request : https.request
  return new Promise((resolve, reject) => {
    const options = { ...base, method: request.method, headers, ...(request.signal ? { signal: request.signal } : {}) }
    const sent = send(target, options as https.RequestOptions, resolve)
    sent.setTimeout(request.timeoutMs, () => sent.destroy(new Error(`nothing heard for ${request.timeoutMs} ms`)))
    sent.on('socket', (socket) => socket.setKeepAlive(true, 15_000))
    sent.on('error', (error) => reject(unreachable(connection, request, error)))
    sent.end(payload)
  })
}

export async function exchange(connection: Connection, request: KubeRequest, fresh = false): Promise<KubeResponse> {
  const response = await open(connection, request, fresh)
  const body = await text(response).catch((error: unknown) => {
    throw unreachable(connection, request, error)
  })
  return { status: response.statusCode ?? 0, retryAfterSeconds: Number(response.headers['retry-after'] ?? 0), body }
}

export function describe(request: Pick<KubeRequest, 'method' | 'path'>): string {
  const verbs: Record<string, string> = { GET: 'Reading', POST: 'Creating', PUT: 'Replacing', PATCH: 'Patching', DELETE: 'Deleting' }
  return `${verbs[request.method] ?? request.method} ${request.path}`
}

function unreachable(connection: Connection, request: KubeRequest, error: unknown): CodedError {
  const message = `${describe(request)}: API server ${connection.server.host} did not answer (${messageOf(error)})`
  return new CodedError('ApiServerUnreachable', message, { retryable: true, cause: error })
}
