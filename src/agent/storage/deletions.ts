// What a pod deletes after a pass ahead, deleted on the destination before the freeze: to free a file takes time there (a WAL segment of 16 MB 10 ms, and a
// checkpoint removes many of them).
import { stat } from 'node:fs/promises'
import path from 'node:path'
import type { Listing } from './folder-listing.ts'

export class Deletions {
  readonly #folder: string
  readonly #made = new Set<string>()

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Of the names that the destination may have, those that are no more; the last pass deletes all of them, once more. */
  async of(known: Iterable<string>, listing: Listing): Promise<string[]> {
    const gone = [...known].filter((name) => !listing.has(name))
    return (await Promise.all(gone.map(async (name) => ((await this.#isDeletable(name)) ? [name] : [])))).flat()
  }

  /** Those of them that have not been deleted yet. */
  async fresh(known: Iterable<string>, listing: Listing): Promise<string[]> {
    return (await this.of(known, listing)).filter((name) => !this.#made.has(name))
  }

  note(names: readonly string[]): void {
    for (const name of names) this.#made.add(name)
  }

  /** Below a folder that went as well there is nothing to name: it goes whole, and rsync would call the rest vanished. */
  async #isDeletable(name: string): Promise<boolean> {
    const parent = await stat(Buffer.from(path.dirname(path.join(this.#folder, name)), 'latin1')).catch(() => undefined)
    return parent?.isDirectory() ?? false
  }
}
