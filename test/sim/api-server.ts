// The API server: versions, conflicts, status subresources, finalizers, graceful deletion, merge patch, and a history for watches.

import { KubeError, type KubeStatus } from '../../src/kube/kube-error.ts'
import { reviewCreate } from '../../src/migrator/review.ts'

export interface Thing {
  kind?: string
  metadata: {
    name: string
    namespace?: string
    uid: string
    resourceVersion: string
    creationTimestamp: string
    generation?: number
    deletionTimestamp?: string
    deletionGracePeriodSeconds?: number
    finalizers?: string[]
    labels?: Record<string, string>
    annotations?: Record<string, string>
    ownerReferences?: { kind: string; name: string; uid: string; controller?: boolean; apiVersion: string }[]
  }
  // biome-ignore lint/suspicious/noExplicitAny: objects of any kind, as the API server keeps them
  [field: string]: any
}

export interface Change {
  version: number
  type: 'ADDED' | 'MODIFIED' | 'DELETED'
  object: Thing
}

/** Who did what, for the checkers: `before` is undefined for a new object, `after` for one that is gone. */
export interface Write {
  actor: string
  verb: string
  path: string
  before: Thing | undefined
  after: Thing | undefined
}

export interface Place {
  collection: string
  namespace: string | undefined
  name: string | undefined
  subresource: string | undefined
}

const firstVersion = 1000

export class ApiServer {
  readonly #objects = new Map<string, Map<string, Thing>>()
  readonly #history = new Map<string, Change[]>()
  readonly #oldest = new Map<string, number>()
  readonly #listeners = new Map<string, Set<(change: Change) => void>>()
  readonly #audits: ((write: Write) => void)[] = []
  readonly #wall: () => number
  #version = firstVersion
  #uids = 0

  constructor(wall: () => number) {
    this.#wall = wall
  }

  /** Returns how to stop listening. */
  onChange(collection: string, listener: (change: Change) => void): () => void {
    const listeners = this.#listeners.get(collection) ?? new Set()
    this.#listeners.set(collection, listeners.add(listener))
    return () => listeners.delete(listener)
  }

  onWrite(audit: (write: Write) => void): void {
    this.#audits.push(audit)
  }

  get version(): number {
    return this.#version
  }

  all(collection: string): Thing[] {
    return [...(this.#objects.get(collection)?.values() ?? [])]
  }

  read(path: string): Thing | undefined {
    const place = placeOf(path)
    return this.#objects.get(place.collection)?.get(keyOf(place))
  }

  get(path: string): Thing {
    return this.read(path) ?? fail(404, 'NotFound', `${path} not found`)
  }

  list(path: string): { items: Thing[]; metadata: { resourceVersion: string } } {
    const { collection, namespace } = placeOf(path)
    const items = this.all(collection).filter((item) => namespace === undefined || item.metadata.namespace === namespace)
    return { items, metadata: { resourceVersion: String(this.#version) } }
  }

  /** What happened after that version, or 410 when it is forgotten. */
  since(collection: string, version: number): Change[] {
    if (version < (this.#oldest.get(collection) ?? 0)) fail(410, 'Expired', 'too old resource version')
    return (this.#history.get(collection) ?? []).filter((change) => change.version > version)
  }

  /** Watches from before now have to list again. */
  compact(): void {
    for (const collection of this.#history.keys()) {
      this.#oldest.set(collection, this.#version)
      this.#history.set(collection, [])
    }
  }

  create(actor: string, path: string, body: Partial<Thing>): Thing {
    const { collection, namespace } = placeOf(path)
    const name = body.metadata?.name ?? fail(422, 'Invalid', 'no name')
    const place = { collection, namespace: namespace ?? body.metadata?.namespace, name, subresource: undefined }
    if (this.#objects.get(collection)?.has(keyOf(place))) fail(409, 'AlreadyExists', `${path}/${name} exists`)
    const object = this.#born(place, body)
    if (collection.endsWith('/podmigrations')) this.#review(object)
    return this.#put(actor, 'create', place, undefined, object, 'ADDED')
  }

  /** PUT with a version in it: only if nobody changed it since. */
  replace(actor: string, path: string, body: Thing): Thing {
    const place = placeOf(path)
    const old = this.get(path)
    this.#expect(old, body.metadata)
    return this.#put(actor, 'replace', place, old, { ...body, metadata: { ...body.metadata, uid: old.metadata.uid } }, 'MODIFIED')
  }

  patch(actor: string, path: string, patch: Record<string, unknown>): Thing {
    const place = placeOf(path)
    const old = this.get(path)
    this.#expect(old, (patch.metadata ?? {}) as Partial<Thing['metadata']>)
    const wished = merge(old, patch) as Thing
    const metadata = { ...wished.metadata, uid: old.metadata.uid }
    const next = place.subresource === 'status' ? { ...old, status: wished.status } : { ...wished, metadata, status: old.status }
    if (next.metadata.deletionTimestamp && (next.metadata.finalizers ?? []).length === 0 && old.metadata.finalizers?.length)
      return this.#remove(actor, place, old)
    return this.#put(actor, place.subresource === 'status' ? 'patch status' : 'patch', place, old, next, 'MODIFIED')
  }

  delete(actor: string, path: string, options: { uid?: string; gracePeriodSeconds?: number } = {}): void {
    const place = placeOf(path)
    const old = this.get(path)
    if (options.uid !== undefined && options.uid !== old.metadata.uid) fail(409, 'Conflict', 'the UID in the precondition is another')
    const graceSeconds = graceOf(place, old, options.gracePeriodSeconds)
    if (graceSeconds === undefined) return void this.#remove(actor, place, old)
    if (old.metadata.deletionTimestamp && (old.metadata.deletionGracePeriodSeconds ?? 0) <= graceSeconds) return
    const metadata = { ...old.metadata, deletionTimestamp: this.#now(), deletionGracePeriodSeconds: graceSeconds }
    this.#put(actor, 'delete', place, old, { ...old, metadata }, 'MODIFIED')
  }

  #expect(old: Thing, { resourceVersion, uid }: Partial<Thing['metadata']>): void {
    if (resourceVersion !== undefined && resourceVersion !== old.metadata.resourceVersion)
      fail(409, 'Conflict', 'the object has been modified')
    if (uid !== undefined && uid !== old.metadata.uid) fail(409, 'Conflict', 'another object has this name')
  }

  #review(object: Thing): void {
    const verdict = reviewCreate(object, { findPod: undefined, migrations: [] })
    if (!verdict.allowed) fail(422, 'Invalid', verdict.message)
  }

  #born(place: Place, body: Partial<Thing>): Thing {
    const number = String(++this.#uids).padStart(12, '0')
    const metadata = {
      ...body.metadata,
      name: place.name ?? '',
      uid: body.metadata?.uid ?? `00000000-0000-4000-8000-${number}`,
      resourceVersion: '',
      creationTimestamp: this.#now(),
      generation: 1,
      ...(place.namespace === undefined ? {} : { namespace: place.namespace }),
    }
    const born = { ...body, metadata } as Thing
    return place.collection === '/api/v1/pods' ? { ...born, status: { phase: 'Pending' } } : born
  }

  #put(actor: string, verb: string, place: Place, before: Thing | undefined, object: Thing, type: Change['type']): Thing {
    const version = ++this.#version
    const after: Thing = frozen({ ...object, metadata: { ...object.metadata, resourceVersion: String(version) } })
    const things = this.#objects.get(place.collection) ?? new Map<string, Thing>()
    this.#objects.set(place.collection, things)
    things.set(keyOf(place), after)
    this.#tell({ actor, verb, path: pathOf(place), before, after }, place.collection, { version, type, object: after })
    return after
  }

  #remove(actor: string, place: Place, old: Thing): Thing {
    const version = ++this.#version
    this.#objects.get(place.collection)?.delete(keyOf(place))
    const object = frozen({ ...old, metadata: { ...old.metadata, resourceVersion: String(version) } })
    this.#tell({ actor, verb: 'remove', path: pathOf(place), before: old, after: undefined }, place.collection, {
      version,
      type: 'DELETED',
      object,
    })
    return object
  }

  #tell(write: Write, collection: string, change: Change): void {
    const history = this.#history.get(collection) ?? []
    this.#history.set(collection, history)
    history.push(change)
    for (const audit of this.#audits) audit(write)
    for (const listener of this.#listeners.get(collection) ?? []) listener(change)
  }

  #now(): string {
    return new Date(this.#wall()).toISOString()
  }
}

/** undefined: gone at once. */
function graceOf({ collection }: Place, object: Thing, asked: number | undefined): number | undefined {
  if (object.metadata.finalizers?.length) return 0
  if (collection !== '/api/v1/pods' || !object.spec?.nodeName) return undefined
  const seconds = asked ?? object.spec.terminationGracePeriodSeconds ?? 30
  return seconds === 0 ? undefined : seconds
}

export function fail(status: number, reason: string, message: string): never {
  const body: KubeStatus = { kind: 'Status', reason, message, code: status }
  throw new KubeError('Asking', status, JSON.stringify(body))
}

/** Everybody is given the same object, so whoever changes it fails at once. */
function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const inner of Object.values(value)) frozen(inner)
  return Object.freeze(value)
}

/** RFC 7386. */
function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch
  const result: Record<string, unknown> = typeof target === 'object' && target !== null ? { ...target } : {}
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) delete result[field]
    else result[field] = merge(result[field], value)
  }
  return result
}

const places = new Map<string, Place>()

export function placeOf(path: string): Place {
  const known = places.get(path)
  if (known) return known
  const match = /^(\/api\/v1|\/apis\/[^/]+\/[^/]+)(?:\/namespaces\/([^/]+)(?=\/))?\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(path)
  if (!match) throw new Error(`no resource path: ${path}`)
  const place = { collection: `${match[1]}/${match[3]}`, namespace: match[2], name: match[4], subresource: match[5] }
  places.set(path, place)
  return place
}

function pathOf({ collection, namespace, name }: Place): string {
  const cut = collection.lastIndexOf('/')
  const prefix = namespace === undefined ? '' : `/namespaces/${namespace}`
  return `${collection.slice(0, cut)}${prefix}${collection.slice(cut)}/${name}`
}

function keyOf({ namespace, name }: Place): string {
  return `${namespace ?? ''}/${name}`
}
