// Sends image folders (tmpfs) and logs over one socket: large files while criu still writes them, everything else when it is done.
import { closeSync, constants, openSync, readdirSync, readSync, statSync } from 'node:fs'
import type { Duplex } from 'node:stream'
import { realClock } from '../../runtime/clock.ts'
import type { PoolSink } from '../memory/copy-memory.ts'
import { DeltaReader, type Piece } from '../memory/delta.ts'
import { type PagePool, pageBytes } from '../memory/page-pool.ts'
import { type DataKind, encodeHeader, encodeJson, encodeNumbers, FrameParser } from './frame.ts'
import { RateLimit } from './rate-limit.ts'

const chunkBytes = 1 << 20
/** While dumping only files that are at least this much ahead are worth a frame. */
const eagerBytes = 1 << 20

function encodePiece(piece: Exclude<Piece, { kind: 'bytes' }>): Buffer {
  if (piece.kind === 'pooled') return encodeNumbers(piece.segment, piece.page, piece.pages)
  if (piece.kind === 'adopt') return encodeNumbers(piece.segment)
  return piece.kind === 'keep' ? encodeNumbers(piece.pages) : encodeNumbers()
}

/** While a file grows only whole pages of it are looked at: half a page would shift all that follow. */
function wholePages(bytes: number): number {
  return bytes - (bytes % pageBytes)
}

/** criu's files of whole pages. */
function isPages(name: string): boolean {
  return /\/pages-\d+\.img$/.test(name)
}

export interface ImageFolder {
  container: string
  folder: string
}

/** A file of /dev/shm: its owner and mode have to be the same, another process opens it by name. */
export interface SharedFile {
  bytes: number
  mode: number
  uid: number
  gid: number
}

interface Progress {
  path: string
  sentBytes: number
}

export class ImageSender implements PoolSink {
  readonly #socket: Duplex
  readonly #files = new Map<string, Progress>()
  readonly #shared: Record<string, SharedFile> = {}
  readonly #buffers: Buffer[] = []
  #pool: PagePool | undefined
  readonly #deltas = new Map<string, DeltaReader>()
  readonly #adopted = new Set<number>()
  readonly #answer: Promise<unknown>
  readonly #limit: RateLimit
  #bytes = 0

  /** `limit`: of what goes ahead; inside the freeze there is none. */
  constructor(socket: Duplex, limit = new RateLimit(0, realClock)) {
    this.#socket = socket
    this.#limit = limit
    this.#answer = readAnswer(socket)
    this.#answer.catch(() => undefined)
  }

  get bytes(): number {
    return this.#bytes
  }

  /** From here on pages that the pool has are named instead of sent. */
  usePool(pool: PagePool): void {
    this.#pool = pool
  }

  async append(segment: number, bytes: Buffer): Promise<void> {
    await this.#limit.take(bytes.length)
    await this.#write(encodeHeader('pool', String(segment), bytes.length), Buffer.from(bytes))
  }

  async patch(segment: number, page: number, bytes: Buffer): Promise<void> {
    const body = Buffer.concat([encodeNumbers(page), bytes])
    await this.#write(encodeHeader('patch', String(segment), body.length), body)
  }

  /** What has grown by a good piece since the last time; returns the bytes sent. */
  async sendGrown(folders: readonly ImageFolder[]): Promise<number> {
    return await this.#sendFolders(folders, eagerBytes)
  }

  /** All that is left; resolves when the peer has everything on its tmpfs. */
  async finish(folders: readonly ImageFolder[]): Promise<void> {
    await this.#sendFolders(folders, 0)
    const files = Object.fromEntries([...this.#files].map(([name, { sentBytes }]) => [name, sentBytes]))
    this.#socket.write(encodeJson('end', { files, shared: this.#shared }))
    await this.#answer
  }

  /** Appends a part of a container's log on the peer. */
  async sendLog(container: string, path: string, fromByte: number, toByte: number): Promise<void> {
    await this.#sendFile('log', container, path, fromByte, toByte)
  }

  /** Everything in the pod's /dev/shm, once: the pod is frozen. */
  async sendShared(folder: string): Promise<void> {
    for (const name of readdirSync(folder)) {
      const { size, mode, uid, gid } = statSync(`${folder}/${name}`)
      if ((mode & constants.S_IFMT) !== constants.S_IFREG)
        throw new Error(`Sending /dev/shm: ${name} is no plain file, which cannot be carried over`)
      await this.#sendFile('shared', name, `${folder}/${name}`, 0, size)
      this.#shared[name] = { bytes: size, mode: mode & 0o7777, uid, gid }
    }
  }

  async #sendFolders(folders: readonly ImageFolder[], leastBytes: number): Promise<number> {
    const before = this.#bytes
    for (const { container, folder } of folders) {
      for (const file of readdirSync(folder)) await this.#sendGrowth(`${container}/${file}`, `${folder}/${file}`, leastBytes)
    }
    return this.#bytes - before
  }

  async #sendGrowth(name: string, path: string, leastBytes: number): Promise<void> {
    const known = this.#files.get(name)
    const size = leastBytes > 0 ? wholePages(statSync(path).size) : statSync(path).size
    const sentBytes = known?.sentBytes ?? 0
    if (size - sentBytes < leastBytes || (known && size === sentBytes)) return
    await this.#sendFile('image', name, path, sentBytes, size)
    this.#files.set(name, { path, sentBytes: size })
  }

  async #sendFile(kind: DataKind, name: string, path: string, fromByte: number, toByte: number): Promise<void> {
    const fd = openSync(path, 'r')
    try {
      let at = fromByte
      do {
        const length = Math.min(chunkBytes, toByte - at)
        await this.#sendChunk(kind, name, fd, at, length)
        at += length
      } while (at < toByte)
    } finally {
      closeSync(fd)
    }
  }

  /** Read synchronously: tmpfs is memory, and a trip through the thread pool costs more than the copy. */
  async #sendChunk(kind: DataKind, name: string, fd: number, at: number, length: number): Promise<void> {
    const buffer = this.#buffers.pop() ?? Buffer.allocUnsafeSlow(chunkBytes)
    const read = length === 0 ? 0 : readSync(fd, buffer, 0, length, at)
    if (read !== length) throw new Error(`Sending ${name}: read ${read} bytes at ${at}, expected ${length}: the file shrank`)
    if (this.#pool && kind === 'image' && isPages(name)) return await this.#sendPages(name, this.#pool, buffer, length)
    await this.#write(encodeHeader(kind, name, length), buffer.subarray(0, length), () => this.#buffers.push(buffer))
  }

  async #sendPages(name: string, pool: PagePool, buffer: Buffer, length: number): Promise<void> {
    const delta = this.#deltas.get(name) ?? new DeltaReader(pool, this.#adopted)
    this.#deltas.set(name, delta)
    for (const piece of delta.split(buffer, length)) {
      const data = piece.kind === 'bytes' ? Buffer.from(buffer.subarray(piece.at, piece.at + piece.length)) : encodePiece(piece)
      await this.#write(encodeHeader(piece.kind === 'bytes' ? 'image' : piece.kind, name, data.length), data)
    }
    this.#buffers.push(buffer)
  }

  async #write(header: Buffer, data: Buffer, done?: () => void): Promise<void> {
    this.#socket.cork()
    this.#socket.write(header)
    const more = this.#socket.write(data, done)
    this.#socket.uncork()
    this.#bytes += data.length
    if (!more) await drained(this.#socket)
  }
}

/** Resolves with the peer's word for "I have it all"; rejects with its reason, or when the socket ends first. */
function readAnswer(socket: Duplex): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const parser = new FrameParser({
      data: () => reject(new Error('Sending images: the peer sent data back')),
      json: (_kind, value) => {
        const { error } = value as { error?: string }
        if (error === undefined) resolve(value)
        else reject(new Error(`Sending images: the destination could not store them (${error})`))
      },
    })
    socket.on('data', (chunk: Buffer) => {
      try {
        parser.push(chunk)
      } catch (error) {
        reject(error as Error)
      }
    })
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('Sending images: the destination closed the connection')))
  })
}

function drained(socket: Duplex): Promise<void> {
  return new Promise((resolve, reject) => {
    if (socket.destroyed) return reject(new Error('Sending images: the connection to the destination is closed'))
    const settle = (done: () => void) => () => {
      socket.off('drain', onDrain)
      socket.off('close', onClose)
      done()
    }
    const onDrain = settle(resolve)
    const onClose = settle(() => reject(new Error('Sending images: the connection to the destination closed')))
    socket.once('drain', onDrain)
    socket.once('close', onClose)
  })
}
