// Receives image files into the destination's tmpfs, and logs into the log files of the awaited containers.
import { closeSync, constants, fchmodSync, fchownSync, mkdirSync, openSync, symlinkSync, writeSync } from 'node:fs'
import path from 'node:path'
import type { Duplex } from 'node:stream'
import { z } from 'zod'
import { messageOf } from '../../runtime/errors.ts'
import { type DataKind, encodeJson, FrameParser } from './frame.ts'
import { isSharedFile, splitImageName } from './names.ts'
import { pageBytes, SentPages } from './page-repeats.ts'
import { parentLinks } from './rounds.ts'

const id = z.int().min(0).max(0xffffffff)
const SharedFile = z.object({ bytes: z.int().nonnegative(), mode: z.int().min(0).max(0o7777), uid: id, gid: id })
const End = z.object({
  files: z.record(z.string(), z.int().nonnegative()),
  shared: z.record(z.string(), SharedFile).default({}),
  /** Of criu's pre-dumps, those that the images lean on. */
  rounds: z.int().min(0).max(99).default(0),
})
type End = z.infer<typeof End>

/** criu writes some hundred files for a large pod; more names than this are not criu's. */
const maximumFiles = 20_000

export interface ReceiveTarget {
  imageFolder(container: string): string
  /** undefined: this container's log is not carried over. */
  logFile(container: string): string | undefined
  /** The sandbox's /dev/shm. */
  sharedFolder(): string
  containers: readonly string[]
}

const appending = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND
const truncating = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC

interface OpenFile {
  fd: number
  bytes: number
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

function write(file: OpenFile, piece: Buffer): void {
  let written = 0
  while (written < piece.length) written += writeSync(file.fd, piece, written)
  file.bytes += piece.length
}

class ReceivedFiles {
  readonly #target: ReceiveTarget
  readonly #files = new Map<string, OpenFile>()
  readonly #sent = new SentPages()
  readonly #folders = new Map<string, string>()
  #closed = false

  constructor(target: ReceiveTarget) {
    this.#target = target
  }

  append(kind: DataKind, name: string, piece: Buffer): void {
    if (kind === 'again') return this.#again(name)
    const ofKind = kind === 'pages' ? 'image' : kind
    if (kind === 'pages') this.#sent.append(piece)
    const file = this.#files.get(`${ofKind}:${name}`) ?? this.#open(ofKind, name)
    if (file) write(file, piece)
  }

  #again(words: string): void {
    const [, first = '', pages = '', name = ''] = /^(\d{1,9}):(\d{1,9}):(.*)$/.exec(words) ?? []
    const file = this.#files.get(`image:${name}`) ?? this.#open('image', name)
    if (!file) return
    for (let [at, left] = [Number(first), Number(pages)]; left > 0; ) {
      const piece = this.#sent.read(at, left)
      write(file, piece)
      at += piece.length / pageBytes
      left -= piece.length / pageBytes
    }
  }

  complete({ files, shared, rounds }: End): number {
    let bytes = 0
    for (const [name, length] of Object.entries(files)) bytes += this.#whole('image', name, length).bytes
    for (const [name, { bytes: length, mode, uid, gid }] of Object.entries(shared)) {
      const { fd } = this.#whole('shared', name, length)
      fchownSync(fd, uid, gid)
      fchmodSync(fd, mode)
      bytes += length
    }
    for (const container of this.#target.containers) this.#linkRounds(container, rounds)
    this.close()
    return bytes
  }

  #linkRounds(container: string, rounds: number): void {
    for (const { link, target } of parentLinks(rounds)) symlinkSync(target, path.join(this.#target.imageFolder(container), link))
  }

  #whole(kind: DataKind, name: string, length: number): OpenFile {
    const file = this.#files.get(`${kind}:${name}`)
    if (file?.bytes === length) return file
    throw new Error(`Receiving images: ${kind} file ${name} has ${file?.bytes ?? 0} bytes, expected ${length}`)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const { fd } of this.#files.values()) closeSync(fd)
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
    if (kind === 'shared' && isSharedFile(name)) return path.join(this.#target.sharedFolder(), name)
    throw new Error(`Receiving images: "${name.slice(0, 120)}" is no plain name for a ${kind} file`)
  }

  #imagePath(name: string): string {
    const { container, round = '', file } = splitImageName(name)
    this.#checkContainer(container)
    return path.join(this.#imageFolder(container, round), file)
  }

  /** Looked for once: a dump is some hundred files. */
  #imageFolder(container: string, round: string): string {
    const key = `${container}/${round}`
    const known = this.#folders.get(key)
    if (known !== undefined) return known
    const folder = path.join(this.#target.imageFolder(container), round)
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    this.#folders.set(key, folder)
    return folder
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
