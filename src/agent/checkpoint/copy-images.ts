// Copies criu's images from tmpfs to disk and takes their digest on the way, in pieces, so that whatever is more urgent comes between.
import { createHash } from 'node:crypto'
import { constants, type FileHandle, mkdir, open, readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { CodedError } from '../../runtime/errors.ts'
import { noRoomFor, type Space } from './room.ts'

const pieceBytes = 1 << 20
/** So often what is written goes to the disk, and the room there is looked at: others write as well. */
const lookEveryBytes = 64 << 20

export interface CopyPorts {
  space(): Promise<Space>
  /** Returns when nothing more urgent goes on, or the signal aborts. */
  pause(signal: AbortSignal): Promise<void>
}

export interface Copied {
  sizeBytes: number
  /** Of what `sha256sum` says of all files, by the bytes of their paths: a person can do it again. */
  digest: string
}

/** Throws when there is no room, at any time; what was written until then is the caller's to remove. */
export async function copyImages(from: string, to: string, ports: CopyPorts, signal: AbortSignal): Promise<Copied> {
  const files = await filesIn(from)
  const sizeBytes = files.reduce((sum, { bytes }) => sum + bytes, 0)
  const copy = new Copy(ports, signal, sizeBytes)
  await mkdir(to, { recursive: true, mode: 0o700 })
  const sums: string[] = []
  for (const { name } of files) {
    await mkdir(path.dirname(path.join(to, name)), { recursive: true, mode: 0o700 })
    sums.push(`${await copy.file(path.join(from, name), path.join(to, name))}  ${name}\n`)
  }
  return { sizeBytes, digest: `sha256:${createHash('sha256').update(sums.join('')).digest('hex')}` }
}

interface ImageFile {
  name: string
  bytes: number
}

async function filesIn(folder: string): Promise<ImageFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const names = entries.filter((entry) => entry.isFile()).map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
  const sorted = names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  return await Promise.all(sorted.map(async (name) => ({ name, bytes: (await stat(path.join(folder, name))).size })))
}

class Copy {
  readonly #ports: CopyPorts
  readonly #signal: AbortSignal
  readonly #piece = Buffer.allocUnsafe(pieceBytes)
  #leftBytes: number
  #sinceLook = lookEveryBytes

  constructor(ports: CopyPorts, signal: AbortSignal, leftBytes: number) {
    this.#ports = ports
    this.#signal = signal
    this.#leftBytes = leftBytes
  }

  /** Returns its SHA-256. */
  async file(from: string, to: string): Promise<string> {
    const source = await open(from, constants.O_RDONLY | constants.O_NOFOLLOW)
    try {
      const target = await open(to, 'w', 0o600)
      try {
        return await this.#pieces(source, target)
      } finally {
        await target.close()
      }
    } finally {
      await source.close()
    }
  }

  async #pieces(source: FileHandle, target: FileHandle): Promise<string> {
    const hash = createHash('sha256')
    for (;;) {
      await this.#ports.pause(this.#signal)
      this.#signal.throwIfAborted()
      if (this.#sinceLook >= lookEveryBytes) await this.#look(target)
      const { bytesRead } = await source.read(this.#piece, 0, pieceBytes)
      if (bytesRead === 0) break
      const piece = this.#piece.subarray(0, bytesRead)
      hash.update(piece)
      await target.writeFile(piece)
      this.#leftBytes -= bytesRead
      this.#sinceLook += bytesRead
    }
    await target.datasync()
    return hash.digest('hex')
  }

  async #look(target: FileHandle): Promise<void> {
    await target.datasync()
    const refusal = noRoomFor(this.#leftBytes, await this.#ports.space())
    if (refusal !== undefined) throw new CodedError('NoRoom', `Keeping images: ${refusal}`)
    this.#sinceLook = 0
  }
}
