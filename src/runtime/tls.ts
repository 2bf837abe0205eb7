// TLS with the chart's own CA: servers and clients that take over changed certificates without a restart.
import { readFileSync } from 'node:fs'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import https from 'node:https'
import type { Duplex } from 'node:stream'
import { createSecureContext, type TLSSocket } from 'node:tls'
import { CodedError, messageOf } from './errors.ts'
import { log } from './log.ts'

export interface TlsFiles {
  cert: string
  key: string
  ca: string
}

export interface ServeOptions {
  port: number
  host?: string
  tlsDir: string
  clientCertificates: 'require' | 'request' | 'none'
  reloadEveryMs?: number
}

// kubelet itself takes up to a minute to bring a changed Secret to a node, so looking more often gains nothing.
const usualReloadMs = 10_000
const shutdownGraceMs = 5000
// Go's clients (API server, kube-scheduler) drop idle connections after 90 s themselves; who closes first could do it while the other one asks.
const keepAliveMs = 120_000

export function loadTls(dir: string): TlsFiles {
  try {
    const [cert, key, ca] = ['tls.crt', 'tls.key', 'ca.crt'].map((name) => readFileSync(`${dir}/${name}`, 'utf8')) as [
      string,
      string,
      string,
    ]
    return { cert, key, ca }
  } catch (error) {
    throw new CodedError('TlsFilesUnreadable', `Reading certificates in ${dir}: ${messageOf(error)}: mount the chart's TLS secret there`, {
      cause: error,
    })
  }
}

export async function serveHttps(app: RequestListener, options: ServeOptions, signal: AbortSignal): Promise<https.Server> {
  const files = new FreshTls(options.tlsDir, options.reloadEveryMs)
  const server = https.createServer({ ...files.current(), ...clientRules(options.clientCertificates) }, app)
  server.keepAliveTimeout = keepAliveMs
  await listening(server, options)
  const timer = setInterval(
    () => files.onChange((changed) => server.setSecureContext({ ...changed })),
    options.reloadEveryMs ?? usualReloadMs,
  )
  timer.unref()
  signal.addEventListener('abort', () => {
    clearInterval(timer)
    closeGracefully(server)
  })
  return server
}

/** Keep-alive agent for our own servers: they are reached by address, and known by `servername`. */
export function tlsAgent(tlsDir: string, servername: string, reloadEveryMs?: number): https.Agent {
  return new FreshAgent(new FreshTls(tlsDir, reloadEveryMs), servername)
}

/** A connection does not change its certificate, and reading it takes longer than many an answer. */
const knownClients = new WeakMap<TLSSocket, string | undefined>()

/** Common name of the client's certificate when our CA signed it. */
export function clientName(request: IncomingMessage): string | undefined {
  const socket = request.socket as TLSSocket
  if (!socket.authorized) return undefined
  if (!knownClients.has(socket)) {
    const name = socket.getPeerCertificate().subject?.CN
    knownClients.set(socket, Array.isArray(name) ? name[0] : name)
  }
  return knownClients.get(socket)
}

/** Middleware: only these clients may go on. */
export function requireClient(...names: string[]) {
  return (request: IncomingMessage, response: ServerResponse, next: () => void): void => {
    const name = clientName(request)
    if (name !== undefined && names.includes(name)) return next()
    const message = `Answering ${request.method} ${request.url}: client certificate ${name ?? 'missing or not ours'}: use the one of ${names.join(' or ')}`
    response.writeHead(403, { 'content-type': 'application/json' }).end(JSON.stringify({ code: 'ClientNotAllowed', message }))
  }
}

/** The files as they are on the disk now, read again at most every `reloadEveryMs`; unreadable ones leave the old ones in force. */
class FreshTls {
  readonly #dir: string
  readonly #reloadEveryMs: number
  #files: TlsFiles
  #readAtMs = Date.now()

  constructor(dir: string, reloadEveryMs = usualReloadMs) {
    this.#dir = dir
    this.#reloadEveryMs = reloadEveryMs
    this.#files = loadTls(dir)
  }

  current(): TlsFiles {
    if (Date.now() - this.#readAtMs >= this.#reloadEveryMs) this.onChange(() => {})
    return this.#files
  }

  onChange(apply: (files: TlsFiles) => void): void {
    this.#readAtMs = Date.now()
    try {
      const files = loadTls(this.#dir)
      if (files.cert === this.#files.cert && files.key === this.#files.key && files.ca === this.#files.ca) return
      createSecureContext({ ...files }) // throws when certificate and key do not fit together: half-written, the next look finds both
      apply(files)
      this.#files = files
      log.info('took over changed certificates')
    } catch (error) {
      log.warn({ err: error }, 'kept the old certificates')
    }
  }
}

class FreshAgent extends https.Agent {
  readonly #files: FreshTls

  constructor(files: FreshTls, servername: string) {
    // No session cache: a resumed session would outlive a changed CA.
    super({ keepAlive: true, servername, maxCachedSessions: 0, timeout: 60_000 })
    this.#files = files
  }

  override createConnection(
    options: https.RequestOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    return super.createConnection({ ...options, ...this.#files.current() }, callback)
  }
}

function clientRules(clientCertificates: ServeOptions['clientCertificates']): https.ServerOptions {
  return { requestCert: clientCertificates !== 'none', rejectUnauthorized: clientCertificates === 'require', minVersion: 'TLSv1.2' }
}

function listening(server: https.Server, { port, host }: ServeOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function closeGracefully(server: https.Server): void {
  server.close()
  server.closeIdleConnections()
  setTimeout(() => server.closeAllConnections(), shutdownGraceMs).unref()
}
