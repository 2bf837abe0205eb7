// Receives image files into the destination's tmpfs, and logs into the log files of the awaited containers.
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import type { Duplex } from 'node:stream'
import { z } from 'zod'
import { messageOf } from '../../runtime/errors.ts'
import { pageBytes } from '../memory/page-pool.ts'
import { type DataKind, decodeNumbers, encodeJson, FrameParser } from './frame.ts'
import { isSharedFile, splitImageName } from './names.ts'

const id = z.int().min(0).max(0xffffffff)
const SharedFile = z.object({ bytes: z.int().nonnegative(), mode: z.int().min(0).max(0o7777), uid: id, gid: id })
const End = z.object({ files: z.record(z.string(), z.int().nonnegative()), shared: z.record(z.string(), SharedFile).default({}) })
type End = z.infer<typeof End>

/** criu writes some hundred files for a large pod; more names than this are not criu's. */
const maximumFiles = 20_000

export interface ReceiveTarget {
  imageFolder(container: string): string
  /** undefined: this container's log is not carried over. */
  logFile(container: string): string | undefined
  /** On the same tmpfs as the images: the pages that come ahead. */
  poolFolder(): string
  /** The sandbox's /dev/shm. */
  sharedFolder(): string
  containers: readonly string[]
}

const appending = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND
const truncating = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC

interface OpenFile {
  fd: number
  bytes: number
  /** Of the segment that is this file now. */
  adoptedBytes?: number | undefined
}

/** Resolves when the sender said the end and every file has the length it said; answers on the socket either way. */
export function receiveImages(socket: Duplex, target: ReceiveTarget): Promise<number> {
  const files = new ReceivedFiles(target)
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      files.close()
      if (!socket.destroyed) socket.end(encodeJson('answer', { error: messageOf(error) }))
      reject(error)
    }
    const parser = new FrameParser({
      data: (kind, name, piece) => files.append(kind, name, piece),
      json: (_kind, value) => {
        const bytes = files.complete(End.parse(value))
        socket.write(encodeJson('answer', { bytes }))
        resolve(bytes)
      },
    })
    socket.on('data', (chunk: Buffer) => {
      try {
        parser.push(chunk)
      } catch (error) {
        fail(error as Error)
      }
    })
    socket.once('error', fail)
    socket.once('close', () => fail(new Error('Receiving images: the source closed the connection')))
  })
}

class ReceivedFiles {
  readonly #target: ReceiveTarget
  readonly #files = new Map<string, OpenFile>()
  #closed = false
  #receivedPool: ReceivedPool | undefined

  constructor(target: ReceiveTarget) {
    this.#target = target
  }

  append(kind: DataKind, name: string, piece: Buffer): void {
    if (kind === 'pool') return this.#pool().append(name, piece)
    if (kind === 'patch') return this.#pool().patch(name, piece)
    const file =
      this.#files.get(`${kind === 'log' || kind === 'shared' ? kind : 'image'}:${name}`) ??
      this.#open(kind === 'log' || kind === 'shared' ? kind : 'image', name)
    if (!file) return
    if (kind === 'pooled') file.bytes += this.#pool().copy(piece, file)
    else if (kind === 'keep') file.bytes += keptBytes(file, piece)
    else if (kind === 'adopt') this.#adopt(name, file, piece)
    else if (kind === 'detach') this.#detach(name, file)
    else this.#write(kind, file, piece)
  }

  /** A log is appended to by whoever writes; everything else is ours alone and written where it belongs. */
  #write(kind: DataKind, file: OpenFile, piece: Buffer): void {
    writeAll(file.fd, piece, kind === 'log' ? undefined : file.bytes)
    file.bytes += piece.length
  }

  #adopt(name: string, file: OpenFile, piece: Buffer): void {
    const [segment = 0] = decodeNumbers(piece, 1)
    if (file.bytes > 0) throw new Error(`Receiving images: ${name} adopts pages after its beginning`)
    closeSync(file.fd)
    Object.assign(file, this.#pool().give(String(segment), this.#imagePath(name)))
  }

  /** What is right so far is copied, and the segment stays to be copied from. */
  #detach(name: string, file: OpenFile): void {
    const { fd } = file
    const path = this.#imagePath(name)
    unlinkSync(path)
    file.fd = openSync(path, constants.O_NOFOLLOW | truncating, 0o600)
    copyBytes(fd, 0, file.fd, 0, file.bytes)
    file.adoptedBytes = undefined
  }

  complete({ files, shared }: End): number {
    let bytes = 0
    for (const [name, length] of Object.entries(files)) {
      const file = this.#whole('image', name, length)
      // The segment may have been longer than what the file came to be.
      if (file.adoptedBytes !== undefined) ftruncateSync(file.fd, length)
      bytes += length
    }
    for (const [name, { bytes: length, mode, uid, gid }] of Object.entries(shared)) {
      const { fd } = this.#whole('shared', name, length)
      fchownSync(fd, uid, gid)
      fchmodSync(fd, mode)
      bytes += length
    }
    this.close()
    return bytes
  }

  #pool(): ReceivedPool {
    if (this.#closed) throw new Error('Receiving images: data after the end')
    this.#receivedPool ??= new ReceivedPool(this.#target.poolFolder())
    return this.#receivedPool
  }

  #whole(kind: DataKind, name: string, length: number): OpenFile {
    const file = this.#files.get(`${kind}:${name}`)
    if (file?.bytes === length) return file
    throw new Error(`Receiving images: ${kind} file ${name} has ${file?.bytes ?? 0} bytes, expected ${length}`)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const { fd, adoptedBytes } of this.#files.values()) if (adoptedBytes === undefined) closeSync(fd)
    this.#receivedPool?.close()
  }

  #open(kind: DataKind, name: string): OpenFile | undefined {
    if (this.#closed) throw new Error('Receiving images: data after the end')
    if (this.#files.size >= maximumFiles) throw new Error(`Receiving images: more than ${maximumFiles} files`)
    const where = this.#pathOf(kind, name)
    if (where === undefined) return undefined
    const file = { fd: openSync(where, constants.O_NOFOLLOW | (kind === 'log' ? appending : truncating), 0o600), bytes: 0 }
    this.#files.set(`${kind}:${name}`, file)
    return file
  }

  #pathOf(kind: DataKind, name: string): string | undefined {
    if (kind === 'log') return this.#logPath(name)
    if (kind === 'image') return this.#imagePath(name)
    if (isSharedFile(name)) return path.join(this.#target.sharedFolder(), name)
    throw new Error(`Receiving images: "${name.slice(0, 120)}" is no plain name for a file of /dev/shm`)
  }

  #imagePath(name: string): string {
    const { container, file } = splitImageName(name)
    this.#checkContainer(container)
    const folder = this.#target.imageFolder(container)
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    return path.join(folder, file)
  }

  #logPath(container: string): string | undefined {
    this.#checkContainer(container)
    return this.#target.logFile(container)
  }

  #checkContainer(container: string): void {
    if (!this.#target.containers.includes(container))
      throw new Error(`Receiving images: "${container.slice(0, 80)}" is no container of this migration`)
  }
}

/** Pages that are right as they are: only those that the adopted segment had. */
function keptBytes(file: OpenFile, piece: Buffer): number {
  const bytes = (decodeNumbers(piece, 1)[0] as number) * pageBytes
  if (file.adoptedBytes !== undefined && file.bytes + bytes <= file.adoptedBytes) return bytes
  throw new Error('Receiving images: pages are kept that are not there')
}

interface PoolSegment {
  fd: number
  bytes: number
  given: boolean
}

/** The pages that came ahead, a file for each segment until an image adopts it. */
class ReceivedPool {
  readonly #folder: string
  readonly #segments = new Map<string, PoolSegment>()

  constructor(folder: string) {
    this.#folder = folder
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  }

  append(name: string, piece: Buffer): void {
    const segment = this.#segments.get(name) ?? this.#begin(name)
    writeAll(segment.fd, piece, segment.bytes)
    segment.bytes += piece.length
  }

  patch(name: string, body: Buffer): void {
    const segment = this.#segment(name)
    const at = (decodeNumbers(body, 1)[0] as number) * pageBytes
    const bytes = body.subarray(4)
    if (at + bytes.length > segment.bytes) throw new Error('Receiving images: a patch beyond the pool')
    writeAll(segment.fd, bytes, at)
  }

  /** Returns the bytes copied to the end of the file. */
  copy(piece: Buffer, to: OpenFile): number {
    const [segmentId = 0, page = 0, pages = 0] = decodeNumbers(piece, 3)
    const segment = this.#segment(String(segmentId))
    if ((page + pages) * pageBytes > segment.bytes) throw new Error('Receiving images: pages beyond the pool')
    copyBytes(segment.fd, page * pageBytes, to.fd, to.bytes, pages * pageBytes)
    return pages * pageBytes
  }

  give(name: string, path: string): { fd: number; adoptedBytes: number } {
    const segment = this.#segment(name)
    if (segment.given) throw new Error(`Receiving images: segment ${name} was adopted before`)
    segment.given = true
    renameSync(this.#path(name), path)
    return { fd: segment.fd, adoptedBytes: segment.bytes }
  }

  close(): void {
    for (const { fd } of this.#segments.values()) closeSync(fd)
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #begin(name: string): PoolSegment {
    if (!/^\d{1,9}$/.test(name)) throw new Error(`Receiving images: "${name.slice(0, 80)}" is no segment`)
    if (this.#segments.size >= maximumFiles) throw new Error(`Receiving images: more than ${maximumFiles} segments`)
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
    const segment = { fd: openSync(this.#path(name), flags, 0o600), bytes: 0, given: false }
    this.#segments.set(name, segment)
    return segment
  }

  #segment(name: string): PoolSegment {
    const segment = this.#segments.get(name)
    if (segment) return segment
    throw new Error(`Receiving images: segment ${name.slice(0, 80)} never came`)
  }

  #path(name: string): string {
    return path.join(this.#folder, name)
  }
}

const scratch = Buffer.allocUnsafeSlow(1 << 20)

function copyBytes(from: number, fromByte: number, to: number, toByte: number, length: number): void {
  for (let done = 0; done < length; ) {
    const read = readSync(from, scratch, 0, Math.min(scratch.length, length - done), fromByte + done)
    if (read === 0) throw new Error('Receiving images: the pool is shorter than it was')
    writeAll(to, scratch.subarray(0, read), toByte + done)
    done += read
  }
}

function writeAll(fd: number, bytes: Buffer, position?: number): void {
  let written = 0
  while (written < bytes.length)
    written += writeSync(fd, bytes, written, bytes.length - written, position === undefined ? null : position + written)
}
