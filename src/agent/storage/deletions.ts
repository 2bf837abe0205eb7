// What a pod deletes after a pass ahead, deleted on the destination before the freeze: to free a file takes time there (a WAL segment of 16 MB 10 ms, and a
// checkpoint removes many of them).
import { lstat, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Listing } from './folder-listing.ts'

export class Deletions {
  readonly #folder: string
  readonly #begun = new Set<string>()

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Of the names that the destination may have, those that are no more; the last pass deletes all of them, once more. */
  async of(known: Iterable<string>, listing: Listing): Promise<string[]> {
    const gone = [...known].filter((name) => !listing.has(name))
    return (await Promise.all(gone.map(async (name) => ((await this.#isDeletable(name)) ? [name] : [])))).flat()
  }

  /** Those of them whose deletion has not begun yet; begins it. A listing of a folder that changes may lack what is there. */
  async begin(known: Iterable<string>, listing: Listing): Promise<string[]> {
    const fresh = (await this.of(known, listing)).filter((name) => !this.#begun.has(name))
    const gone = (await Promise.all(fresh.map(async (name) => ((await this.#isThere(name)) ? [] : [name])))).flat()
    for (const name of gone) this.#begun.add(name)
    return gone
  }

  /** Whatever the destination has, or has open, under such a name may be another file than the one that comes back. */
  has(name: string): boolean {
    return this.#begun.has(name)
  }

  #isThere(name: string): Promise<boolean> {
    return lstat(this.#pathOf(name)).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
    )
  }

  #pathOf(name: string): Buffer {
    return Buffer.from(path.join(this.#folder, name), 'latin1')
  }

  /** Below a folder that went as well there is nothing to name: it goes whole, and rsync would call the rest vanished. */
  async #isDeletable(name: string): Promise<boolean> {
    const parent = await stat(this.#pathOf(path.dirname(name))).catch(() => undefined)
    return parent?.isDirectory() ?? false
  }
}
