// Files that a pod writes all the time (a log of a database): sent once more by ourselves just before the freeze, and kept here as they were
// sent. In the freeze what differs from that goes, block by block; rsync would send such a file whole, or read it whole on both sides.
import { closeSync, constants, readSync } from 'node:fs'
import { setImmediate as others } from 'node:timers/promises'
import { type Beneath, openBeneath } from './beneath.ts'
import { changedRuns } from './changed-runs.ts'
import type { PatchStream } from './patch-stream.ts'

/** Of files of this size a whole copy is nothing. */
const smallestBytes = 64 << 10
/** Keeping more would take too much of the agent's memory; rsync goes by blocks as well, but reads and hashes on both sides. */
const keptLimitBytes = 128 << 20
const pieceBytes = 1 << 20

interface Kept {
  inode: number
  bytes: Buffer
}

export class HotFiles {
  readonly #root: string
  readonly #stream: PatchStream
  readonly #kept = new Map<string, Kept>()
  readonly #piece = Buffer.alloc(pieceBytes)
  /** What was written on the destination, wholly or in part: its times there are none of the pod's. */
  readonly touched = new Set<string>()

  constructor(root: string, stream: PatchStream) {
    this.#root = root
    this.#stream = stream
  }

  /** The pod runs. Of `candidates`, the likeliest first, as many as fit; the destination has had all of them from rsync. */
  async keep(candidates: readonly string[], take: (bytes: number) => Promise<void>): Promise<void> {
    let leftBytes = keptLimitBytes
    for (const name of candidates) {
      const kept = await this.#readWhole(name, leftBytes)
      if (!kept) continue
      leftBytes -= kept.bytes.length
      this.touched.add(name)
      for (let at = 0; at < kept.bytes.length; at += pieceBytes) {
        const piece = kept.bytes.subarray(at, at + pieceBytes)
        await take(piece.length)
        await this.#stream.write(name, at, piece)
      }
      this.#kept.set(name, kept)
    }
    await this.#stream.finish(new Map([...this.#kept].map(([name, { bytes }]) => [name, bytes.length])))
  }

  /** The names under which the files that were kept still are. Their times on the destination have to be set. */
  stillThere(): string[] {
    return [...this.#kept].flatMap(([name, { inode }]) => {
      const file = openQuietly(this.#root, name)
      if (file) closeSync(file.fd)
      return file?.inode === inode && file.bytes <= keptLimitBytes ? [name] : []
    })
  }

  /** The pod is frozen. Resolves with the bytes sent when the destination has these files as they are now. */
  async patch(names: readonly string[]): Promise<number> {
    const sizes = new Map<string, number>()
    let sent = 0
    for (const name of names) {
      const file = openBeneath(this.#root, name, constants.O_RDONLY)
      try {
        sent += await this.#sendChanges(name, file, (this.#kept.get(name) as Kept).bytes)
      } finally {
        closeSync(file.fd)
      }
      sizes.set(name, file.bytes)
    }
    await this.#stream.finish(sizes)
    return sent
  }

  close(): void {
    this.#stream.close()
    this.#kept.clear()
  }

  async #sendChanges(name: string, file: Beneath, before: Buffer): Promise<number> {
    let sent = 0
    for (let at = 0; at < file.bytes; at += pieceBytes) {
      const now = this.#piece.subarray(0, Math.min(pieceBytes, file.bytes - at))
      readFully(file.fd, now, at, name)
      for (const run of changedRuns(now, before.subarray(at, at + now.length))) {
        await this.#stream.write(name, at + run.at, Buffer.from(now.subarray(run.at, run.at + run.length)))
        sent += run.length
      }
      await others()
    }
    return sent
  }

  async #readWhole(name: string, leftBytes: number): Promise<Kept | undefined> {
    const file = openQuietly(this.#root, name)
    if (!file) return undefined
    try {
      if (file.bytes < smallestBytes || file.bytes > leftBytes) return undefined
      const bytes = Buffer.allocUnsafeSlow(file.bytes)
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        readFully(file.fd, bytes.subarray(at, at + pieceBytes), at, name)
        await others()
      }
      return { inode: file.inode, bytes }
    } catch {
      // It shrank while it was read: rsync carries it.
      return undefined
    } finally {
      closeSync(file.fd)
    }
  }
}

/** Gone, a link by now, or with several names: rsync carries it. */
function openQuietly(root: string, name: string): Beneath | undefined {
  try {
    return openBeneath(root, name, constants.O_RDONLY)
  } catch {
    return undefined
  }
}

function readFully(fd: number, into: Buffer, at: number, name: string): void {
  for (let done = 0; done < into.length; ) {
    const read = readSync(fd, into, done, into.length - done, at + done)
    if (read === 0) throw new Error(`Reading ${name}: it ended at ${at + done} bytes`)
    done += read
  }
}
