// The objects of one resource by namespace and name; older versions never overwrite newer ones, and what is gone stays gone.

export interface Cached {
  metadata: { namespace?: string; name?: string; uid?: string; resourceVersion?: string }
}

export interface StoreChange<T> {
  type: 'added' | 'modified' | 'deleted'
  object: T
}

// An own write can be answered after the watch told of the deletion; this many UIDs are remembered against such ghosts.
const rememberedDeletions = 1000

export class ObjectStore {
  readonly #objects = new Map<string, Cached>()
  readonly #deleted = new Set<string>()
  readonly #listeners: ((change: StoreChange<Cached>) => void)[] = []
  #list: readonly Cached[] | undefined

  get(namespace: string | undefined, name: string): Cached | undefined {
    return this.#objects.get(keyOf(namespace, name))
  }

  /** The same array until something changes, so that callers may compare it. */
  list(): readonly Cached[] {
    this.#list ??= [...this.#objects.values()]
    return this.#list
  }

  onChange(listener: (change: StoreChange<Cached>) => void): void {
    this.#listeners.push(listener)
  }

  put(object: Cached): void {
    const { uid, name = '', namespace, resourceVersion } = object.metadata
    if (uid !== undefined && this.#deleted.has(uid)) return
    const old = this.get(namespace, name)
    if (old && old.metadata.uid === uid && !isNewer(resourceVersion, old.metadata.resourceVersion)) return
    this.#objects.set(keyOf(namespace, name), object)
    this.#changed({ type: old ? 'modified' : 'added', object })
  }

  remove(object: Cached): void {
    const { uid, name = '', namespace } = object.metadata
    this.#rememberDeletion(uid)
    const old = this.get(namespace, name)
    if (!old || old.metadata.uid !== uid) return
    this.#objects.delete(keyOf(namespace, name))
    this.#changed({ type: 'deleted', object })
  }

  /** A list taken at `version`: what it does not have is gone, unless we ourselves wrote it later than that. */
  replaceAll(objects: readonly Cached[], version: string | undefined): void {
    const listed = new Set(objects.map(({ metadata }) => metadata.uid))
    for (const old of this.#objects.values()) {
      const gone = !listed.has(old.metadata.uid) && !isNewer(old.metadata.resourceVersion, version)
      if (gone) this.remove(old)
    }
    for (const object of objects) this.put(object)
  }

  #changed(change: StoreChange<Cached>): void {
    this.#list = undefined
    for (const listener of this.#listeners) listener(change)
  }

  #rememberDeletion(uid: string | undefined): void {
    if (uid === undefined) return
    this.#deleted.add(uid)
    const [oldest] = this.#deleted
    if (this.#deleted.size > rememberedDeletions && oldest !== undefined) this.#deleted.delete(oldest)
  }
}

function keyOf(namespace: string | undefined, name: string): string {
  return `${namespace ?? ''}/${name}`
}

/** Resource versions are growing numbers of any length (since Kubernetes 1.35 officially comparable). Unknown ones count as newer. */
function isNewer(version: string | undefined, than: string | undefined): boolean {
  if (version === undefined || than === undefined) return true
  return version.length === than.length ? version > than : version.length > than.length
}
