// Sends image folders (tmpfs) and logs over one socket: large files while criu still writes them, everything else when it is done.
import { closeSync, constants, openSync, readdirSync, readSync, statSync } from 'node:fs'
import type { Duplex } from 'node:stream'
import { type DataKind, encodeHeader, encodeJson, FrameParser } from './frame.ts'
import { PageRepeats, type Piece, pageBytes } from './page-repeats.ts'
import type { RateLimit } from './rate-limit.ts'
import { isNoImage, roundFolder } from './rounds.ts'

const chunkBytes = 1 << 20
/** While dumping only files that are at least this much ahead are worth a frame; the private pages of one process of a database are 430 KB. */
const eagerBytes = 256 << 10
const gatheredLimitBytes = 256 << 10
const nothing = Buffer.alloc(0)

/** criu's files of whole pages, but for those of a round ahead: nothing waits for these, so nobody looks for pages that were sent before. */
function isPages(name: string): boolean {
  return /^[^/]+\/pages-\d+\.img$/.test(name)
}

/** Those that criu writes for each process, apart from its pages: a few KB each, and many. */
function isSmall(file: string): boolean {
  return /^(core|fdinfo|fs|ids|mm|pagemap)-/.test(file)
}

function imagesIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => !isNoImage(name))
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

export class ImageSender {
  readonly #socket: Duplex
  readonly #files = new Map<string, Progress>()
  readonly #shared: Record<string, SharedFile> = {}
  readonly #repeats = new PageRepeats()
  readonly #answer: Promise<unknown>
  #gatheredBytes = 0
  #bytes = 0
  #rounds = 0

  constructor(socket: Duplex) {
    this.#socket = socket
    this.#answer = readAnswer(socket)
    this.#answer.catch(() => undefined)
  }

  get bytes(): number {
    return this.#bytes
  }

  /** What is there before the dump begins: runc describes the container's descriptors first. */
  async sendDescriptions(folders: readonly ImageFolder[]): Promise<void> {
    for (const { container, folder } of folders) await this.#sendGrowth(`${container}/descriptors.json`, `${folder}/descriptors.json`, 0)
    await this.#flush()
  }

  /** All of a pre-dump of all containers, while they run. */
  async sendRound(round: number, folders: readonly ImageFolder[], limit: RateLimit): Promise<void> {
    for (const { container, folder } of folders) {
      const from = `${folder}/${roundFolder(round)}`
      for (const file of imagesIn(from)) {
        const [name, path] = [`${container}/${roundFolder(round)}/${file}`, `${from}/${file}`]
        const { size } = statSync(path)
        await this.#sendFile('image', name, path, 0, size, limit)
        this.#files.set(name, { path, sentBytes: size })
      }
    }
    await this.#flush()
    this.#rounds = round
  }

  /** The dump leans on none of the rounds that were sent. */
  withdrawRounds(): void {
    this.#rounds = 0
  }

  /** What has grown by a good piece since the last time; returns by how much. */
  async sendGrown(folders: readonly ImageFolder[]): Promise<number> {
    return await this.#sendFolders(folders, eagerBytes)
  }

  /** All that is left; resolves when the peer has everything on its tmpfs. */
  async finish(folders: readonly ImageFolder[]): Promise<void> {
    await this.#sendFolders(folders, 0)
    const files = Object.fromEntries([...this.#files].map(([name, { sentBytes }]) => [name, sentBytes]))
    this.#socket.write(encodeJson('end', { files, shared: this.#shared, rounds: this.#rounds }))
    await this.#answer
  }

  /** Appends a part of a container's log on the peer. */
  async sendLog(container: string, path: string, fromByte: number, toByte: number): Promise<void> {
    await this.#sendFile('log', container, path, fromByte, toByte)
    await this.#flush()
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
    await this.#flush()
  }

  async #sendFolders(folders: readonly ImageFolder[], leastBytes: number): Promise<number> {
    let taken = 0
    for (const { container, folder } of folders) {
      for (const file of imagesIn(folder)) {
        // While criu writes they need no look.
        if (leastBytes === 0 || !isSmall(file)) taken += await this.#sendGrowth(`${container}/${file}`, `${folder}/${file}`, leastBytes)
      }
    }
    await this.#flush()
    return taken
  }

  async #sendGrowth(name: string, path: string, leastBytes: number): Promise<number> {
    const known = this.#files.get(name)
    const now = statSync(path).size
    // While it grows only whole pages are looked at: half a page would shift all that follow.
    const size = leastBytes > 0 ? now - (now % pageBytes) : now
    const sentBytes = known?.sentBytes ?? 0
    if (size - sentBytes < leastBytes || (known && size === sentBytes)) return 0
    await this.#sendFile('image', name, path, sentBytes, size)
    this.#files.set(name, { path, sentBytes: size })
    return size - sentBytes
  }

  async #sendFile(kind: DataKind, name: string, path: string, fromByte: number, toByte: number, limit?: RateLimit): Promise<void> {
    const fd = openSync(path, 'r')
    try {
      let at = fromByte
      do {
        const length = Math.min(chunkBytes, toByte - at)
        await limit?.take(length)
        await this.#sendChunk(kind, name, fd, at, length)
        at += length
      } while (at < toByte)
    } finally {
      closeSync(fd)
    }
  }

  /** Read synchronously: tmpfs is memory, and a trip through the thread pool costs more than the copy. */
  async #sendChunk(kind: DataKind, name: string, fd: number, at: number, length: number): Promise<void> {
    const buffer = Buffer.allocUnsafe(length)
    const read = length === 0 ? 0 : readSync(fd, buffer, 0, length, at)
    if (read !== length) throw new Error(`Sending ${name}: read ${read} bytes at ${at}, expected ${length}: the file shrank`)
    if (kind === 'image' && isPages(name) && length > 0) {
      for (const piece of this.#repeats.split(buffer, length)) await this.#sendPiece(name, buffer, piece)
    } else await this.#write(encodeHeader(kind, name, length), buffer)
  }

  async #sendPiece(name: string, buffer: Buffer, piece: Piece): Promise<void> {
    if (piece.kind === 'again') return await this.#write(encodeHeader('again', `${piece.first}:${piece.pages}:${name}`, 0), nothing)
    const data = buffer.subarray(piece.at, piece.at + piece.length)
    await this.#write(encodeHeader(piece.kind === 'new' ? 'pages' : 'image', name, data.length), data)
  }

  /**
   * Gathered: some hundred small files, each by itself, would be as many records of TLS and system calls. Not copied for it: copies are
   * collected, and a collection in the freeze costs more than they do.
   */
  async #write(header: Buffer, data: Buffer): Promise<void> {
    if (this.#gatheredBytes === 0) this.#socket.cork()
    this.#socket.write(header)
    if (data.length > 0) this.#socket.write(data)
    this.#gatheredBytes += header.length + data.length
    this.#bytes += data.length
    if (this.#gatheredBytes >= gatheredLimitBytes) await this.#flush()
  }

  async #flush(): Promise<void> {
    if (this.#gatheredBytes === 0) return
    this.#gatheredBytes = 0
    this.#socket.uncork()
    if (this.#socket.destroyed || this.#socket.writableNeedDrain) await drained(this.#socket)
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
