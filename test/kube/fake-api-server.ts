// A small API server over real HTTP: versions, conflicts, status subresources, finalizers, merge patch, watches with bookmarks and 410.
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

export interface FakeObject {
  apiVersion?: string
  kind?: string
  metadata: Record<string, any>
  [field: string]: any
}

interface Place {
  collection: string
  namespace: string | undefined
  name: string | undefined
  subresource: string | undefined
}

interface Change {
  version: number
  collection: string
  type: string
  object: FakeObject
}

/** What goes wrong with a request: an answer instead of the real one, or a broken connection. */
export type Fault = { status: number; reason?: string; retryAfterSeconds?: number } | 'reset' | undefined

export class FakeApiServer {
  readonly requests: string[] = []
  /** Asked before each request. */
  fault: (method: string, url: string) => Fault = () => undefined
  /** Watches from before this version get 410. */
  oldestVersion = 0
  readonly #objects = new Map<string, FakeObject>()
  readonly #history: Change[] = []
  readonly #watchers = new Map<http.ServerResponse, Place>()
  readonly #server = http.createServer((request, response) => void this.#answer(request, response))
  #version = 100

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  get watches(): number {
    return this.#watchers.size
  }

  /** Breaks all watches as a network does (no end) or as the API server does (`cleanly`). */
  breakWatches(cleanly = false): void {
    for (const response of this.#watchers.keys()) {
      if (cleanly) response.end()
      else response.socket?.destroy()
    }
    this.#watchers.clear()
  }

  /** Everything up to now can no longer be watched from. */
  compact(): void {
    this.oldestVersion = ++this.#version
  }

  bookmark(): void {
    for (const response of this.#watchers.keys()) {
      send(response, 'BOOKMARK', { metadata: { resourceVersion: String(++this.#version) } })
    }
  }

  read(path: string): FakeObject | undefined {
    return this.#objects.get(keyOf(placeOf(path)))
  }

  /** As another client would: create or overwrite. */
  write(path: string, object: Partial<FakeObject>): FakeObject {
    const place = placeOf(path)
    const metadata = {
      name: place.name,
      ...(place.namespace ? { namespace: place.namespace } : {}),
      uid: `uid-${place.name}`,
      ...object.metadata,
    }
    return this.#store(place, { ...object, metadata })
  }

  remove(path: string): void {
    const place = placeOf(path)
    const old = this.#objects.get(keyOf(place))
    if (!old) return
    this.#objects.delete(keyOf(place))
    this.#record(place, 'DELETED', { ...old, metadata: { ...old.metadata, resourceVersion: String(++this.#version) } })
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://fake')
    this.requests.push(`${request.method} ${request.url}`)
    const fault = this.fault(request.method ?? '', request.url ?? '')
    if (fault === 'reset') return void request.socket.destroy()
    if (fault) return fail(response, fault.status, fault.reason ?? 'Injected', fault.retryAfterSeconds)
    const body = await text(request)
    const place = placeOf(url.pathname)
    if (url.searchParams.get('watch') === 'true') return this.#watch(place, Number(url.searchParams.get('resourceVersion') ?? 0), response)
    this.#perform(request.method ?? 'GET', place, body === '' ? {} : JSON.parse(body), response)
  }

  #perform(method: string, place: Place, body: any, response: http.ServerResponse): void {
    if (method === 'POST') return this.#create(place, body, response)
    if (place.name === undefined) return ok(response, this.#list(place))
    const old = this.#objects.get(keyOf(place))
    if (!old) return fail(response, 404, 'NotFound')
    if (method === 'GET') return ok(response, old)
    if (method === 'DELETE') return this.#delete(place, old, body, response)
    const version = body.metadata?.resourceVersion
    if (version !== undefined && version !== old.metadata.resourceVersion) return fail(response, 409, 'Conflict')
    ok(response, this.#store(place, changed(method, place, old, body)))
  }

  #create(place: Place, body: FakeObject, response: http.ServerResponse): void {
    const name = body.metadata.name ?? `${body.metadata.generateName}${++this.#version}`
    const named = { ...place, name }
    if (this.#objects.has(keyOf(named))) return fail(response, 409, 'AlreadyExists')
    const metadata = { ...body.metadata, name, uid: `uid-${name}-${++this.#version}`, creationTimestamp: new Date().toISOString() }
    ok(response, this.#store(named, { ...body, metadata }), 201)
  }

  #delete(place: Place, old: FakeObject, body: any, response: http.ServerResponse): void {
    const uid = body.preconditions?.uid
    if (uid !== undefined && uid !== old.metadata.uid) return fail(response, 409, 'Conflict')
    if (old.metadata.finalizers?.length) {
      this.#store(place, { ...old, metadata: { ...old.metadata, deletionTimestamp: new Date().toISOString() } })
    } else this.remove(pathOf(place))
    ok(response, { kind: 'Status', status: 'Success' })
  }

  #store(place: Place, object: FakeObject): FakeObject {
    const key = keyOf(place)
    const type = this.#objects.has(key) ? 'MODIFIED' : 'ADDED'
    const stored: FakeObject = { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#version) } }
    this.#objects.set(key, stored)
    this.#record(place, type, stored)
    if (stored.metadata.deletionTimestamp && !stored.metadata.finalizers?.length) this.remove(pathOf(place))
    return stored
  }

  #list(place: Place): object {
    const items = [...this.#objects].filter(([key]) => key.startsWith(prefixOf(place))).map(([, object]) => object)
    return { kind: 'List', metadata: { resourceVersion: String(this.#version) }, items }
  }

  #record(place: Place, type: string, object: FakeObject): void {
    const change = { version: this.#version, collection: prefixOf({ ...place, name: undefined }), type, object }
    this.#history.push(change)
    for (const [response, watched] of this.#watchers) if (change.collection.startsWith(prefixOf(watched))) send(response, type, object)
  }

  #watch(place: Place, from: number, response: http.ServerResponse): void {
    response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders()
    if (from < this.oldestVersion) {
      send(response, 'ERROR', { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' })
      return void response.end()
    }
    for (const { version, collection, type, object } of this.#history) {
      if (version > from && collection.startsWith(prefixOf(place))) send(response, type, object)
    }
    this.#watchers.set(response, place)
    response.on('close', () => this.#watchers.delete(response))
  }
}

function changed(method: string, place: Place, old: FakeObject, body: any): FakeObject {
  const wished = method === 'PATCH' ? merge(old, body) : body
  const metadata = { ...wished.metadata, uid: old.metadata.uid }
  if (place.subresource === 'status') return { ...old, status: wished.status }
  return old.status === undefined ? { ...wished, metadata } : { ...wished, metadata, status: old.status }
}

function merge(target: any, patch: any): any {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch
  const result = typeof target === 'object' && target !== null ? { ...target } : {}
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) delete result[field]
    else result[field] = merge(result[field], value)
  }
  return result
}

function placeOf(path: string): Place {
  const match = /^(\/api\/v1|\/apis\/[^/]+\/[^/]+)(?:\/namespaces\/([^/]+)(?=\/))?\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(path)
  if (!match) throw new Error(`no resource path: ${path}`)
  return { collection: `${match[1]}/${match[3]}`, namespace: match[2], name: match[4], subresource: match[5] }
}

function pathOf({ collection, namespace, name }: Place): string {
  const cut = collection.lastIndexOf('/')
  const prefix = namespace === undefined ? collection.slice(0, cut) : `${collection.slice(0, cut)}/namespaces/${namespace}`
  return `${prefix}${collection.slice(cut)}/${name}`
}

function keyOf({ collection, namespace, name }: Place): string {
  return `${collection}|${namespace ?? ''}|${name}`
}

function prefixOf({ collection, namespace }: Place): string {
  return namespace === undefined ? `${collection}|` : `${collection}|${namespace}|`
}

function send(response: http.ServerResponse, type: string, object: object): void {
  response.write(`${JSON.stringify({ type, object })}\n`)
}

function ok(response: http.ServerResponse, body: object, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

function fail(response: http.ServerResponse, status: number, reason: string, retryAfterSeconds?: number): void {
  const headers: http.OutgoingHttpHeaders = { 'content-type': 'application/json' }
  if (retryAfterSeconds !== undefined) headers['retry-after'] = String(retryAfterSeconds)
  response
    .writeHead(status, headers)
    .end(JSON.stringify({ kind: 'Status', status: 'Failure', reason, message: `fake ${reason}`, code: status }))
}
