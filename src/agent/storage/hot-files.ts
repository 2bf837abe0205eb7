// Files that a pod writes all the time (a log of a database, its tables): brought up to date by ourselves just before the freeze. In the freeze what
// differs from that goes, block by block; rsync would send such a file whole, or read it whole on both sides, one after the other.
import { randomBytes } from 'node:crypto'
import { closeSync } from 'node:fs'
import { log } from '../../runtime/log.ts'
import { openOwn, openQuietly } from './beneath.ts'
import { BlockHelper, keyBytes } from './block-helper.ts'
import type { PatchStream } from './patch-stream.ts'
import type { SyncedRoot } from './synced-roots.ts'

/** Less than this left behind by a round is not worth another one. */
const littleBytes = 4 << 20
const maximumRounds = 4

interface Kept {
  /** Of the helper's. */
  file: number
  inode: number
}

export class HotFiles {
  readonly #root: string
  /** The same folder as its file system has it: of an overlay, the folder above. */
  readonly #own: string
  readonly #label: string
  readonly #stream: PatchStream
  readonly #helper: BlockHelper
  readonly #key = randomBytes(keyBytes)
  readonly #kept = new Map<string, Kept>()
  #numbers = 0
  #watches: boolean | undefined
  /** What may have been written on the destination: its times there are none of the pod's. */
  readonly touched = new Set<string>()

  constructor(root: SyncedRoot, stream: PatchStream, helper: string) {
    this.#root = root.folder
    this.#own = root.layers?.upper ?? root.folder
    this.#label = root.label
    this.#stream = stream
    this.#helper = new BlockHelper(helper, this.#key)
  }

  /** The pod runs. Brings the destination up to date with `candidates` and those of earlier times. `take` waits for bandwidth. */
  async keep(candidates: readonly string[], take: (bytes: number) => Promise<void>): Promise<void> {
    this.#watches ??= await this.#startWatching()
    for (const name of candidates) await this.#learn(name)
    for (let round = 0; round < maximumRounds; round++) if ((await this.#send(this.stillThere(), take)) < littleBytes) return
  }

  /** The names under which the files that were kept still are. Their times on the destination have to be set. */
  stillThere(): string[] {
    return [...this.#kept].flatMap(([name, { inode }]) => (this.#inodeOf(name) === inode ? [name] : []))
  }

  /** The pod is frozen. Resolves with the bytes sent when the destination has these files as they are now. */
  async patch(names: readonly string[]): Promise<number> {
    return await this.#send(names, () => undefined, { all: true })
  }

  /** They are deleted on the destination, which may have them open. */
  forget(names: readonly string[]): void {
    for (const name of names) this.#kept.delete(name)
  }

  close(): void {
    this.#stream.close()
    this.#helper.close()
    this.#kept.clear()
  }

  async #send(names: readonly string[], take: (bytes: number) => Promise<void> | undefined, { all = false } = {}): Promise<number> {
    const open = names.flatMap((name) => this.#open(name))
    let sent = 0
    try {
      if (all && open.length < names.length) throw new Error('Patching files: not all are what they were any more')
      const nameOf = new Map(open.map(({ file, name }) => [file, name]))
      const sizes = await this.#helper.changes(open, async (file, at, data) => {
        await take(data.length)
        await this.#stream.write(nameOf.get(file) as string, at, data)
        sent += data.length
      })
      await this.#stream.finish(new Map(open.map(({ file, name }) => [name, sizes.get(file) as number])))
    } finally {
      for (const { fd } of open) closeSync(fd)
    }
    return sent
  }

  /** Nothing if the name has not the file that was kept any more. */
  #open(name: string): { file: number; name: string; fd: number }[] {
    const kept = this.#kept.get(name)
    const found = openQuietly(this.#root, name)
    if (found && found.inode === kept?.inode) return [{ file: kept.file, name, fd: found.fd }]
    if (found) closeSync(found.fd)
    return []
  }

  /** Once for each file. One that the destination cannot have as a plain file goes by rsync. */
  async #learn(name: string): Promise<void> {
    const inode = this.#inodeOf(name)
    if (inode === undefined || inode === this.#kept.get(name)?.inode) return
    this.touched.add(name)
    const digests = await this.#stream.digests(name, this.#key)
    if (!digests) return
    const file = this.#numbers++
    this.#helper.know(file, digests)
    this.#kept.set(name, { file, inode })
    if (this.#watches) await this.#watch(name, file, inode)
  }

  async #startWatching(): Promise<boolean> {
    const reason = await this.#helper.watchIn(this.#own)
    if (reason !== '')
      log.info({ root: this.#label, reason }, 'which parts of hot files are written cannot be known; they are compared whole')
    return reason === ''
  }

  async #watch(name: string, file: number, inode: number): Promise<void> {
    const fd = openOwn(this.#own, name, inode)
    if (fd === undefined) return
    await this.#helper.watch(file, fd)
    closeSync(fd)
  }

  #inodeOf(name: string): number | undefined {
    const found = openQuietly(this.#root, name)
    if (found) closeSync(found.fd)
    return found?.inode
  }
}
