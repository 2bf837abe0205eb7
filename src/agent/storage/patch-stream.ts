// Pieces of files, from the source's agent to the destination's, written there in place. Frames as in transfer/frame.ts: `digests`, named by a path,
// with a key, is answered by digests of that file's blocks; `patch`, named `offset:path`; `end`, with the length of each file, is answered; then more
// of all on the same stream.
import { closeSync, constants, ftruncateSync, writeSync } from 'node:fs'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { z } from 'zod'
import { messageOf } from '../../runtime/errors.ts'
import { encodeHeader, encodeJson, FrameParser } from '../transfer/frame.ts'
import { createBeneath, openBeneath } from './beneath.ts'
import { BlockHelper, keyBytes } from './block-helper.ts'

/** First line of such a stream is this and the token of the folder: without it, the stream is one of rsync's. */
export const patchPrefix = 'patch:'

const End = z.object({ files: z.array(z.tuple([z.string(), z.int().nonnegative()])) })
const Answer = z.object({ error: z.string().optional(), absent: z.boolean().optional() })
type Answer = z.infer<typeof Answer>
/** Far more than are ever kept. */
const maximumFiles = 4096

/** The source's end. */
export class PatchStream {
  readonly #stream: Duplex
  #answered: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined
  #digests: Buffer[] = []
  #broken: Error | undefined

  constructor(stream: Duplex) {
    this.#stream = stream
    const parser = new FrameParser({
      data: (_kind, _name, piece) => void this.#digests.push(piece),
      json: (_kind, value) => this.#answer(Answer.parse(value)),
    })
    stream.on('data', (chunk: Buffer) => {
      try {
        parser.push(chunk)
      } catch (error) {
        this.#break(error as Error)
      }
    })
    stream.once('error', (error) => this.#break(error))
    stream.once('close', () => this.#break(new Error('Patching files: the destination closed the connection')))
  }

  /** Through the unix socket that leads to the peer. */
  static open(socketPath: string, token: string): PatchStream {
    const socket = connect(socketPath)
    socket.write(`${patchPrefix}${token}\n`)
    return new PatchStream(socket)
  }

  /** `data` must not change afterwards. */
  async write(name: string, at: number, data: Buffer): Promise<void> {
    if (this.#broken) throw this.#broken
    this.#stream.write(encodeHeader('patch', `${at}:${name}`, data.length))
    if (!this.#stream.write(data)) await new Promise<void>((resolve) => this.#onceFree(resolve))
  }

  /** Of the file's blocks as the destination has them, which makes a file that it has not; undefined if it cannot. */
  async digests(name: string, key: Buffer): Promise<Buffer[] | undefined> {
    this.#digests = []
    const { absent } = await this.#ask(encodeHeader('digests', name, key.length), key)
    return absent ? undefined : this.#digests
  }

  /** Resolves when the destination has written everything, and given the files these lengths. */
  async finish(sizes: ReadonlyMap<string, number>): Promise<void> {
    await this.#ask(encodeJson('end', { files: [...sizes] }))
  }

  close(): void {
    this.#stream.destroy()
  }

  async #ask(...pieces: Buffer[]): Promise<Answer> {
    if (this.#broken) throw this.#broken
    const answered = new Promise<Answer>((resolve, reject) => {
      this.#answered = { resolve, reject }
    })
    for (const piece of pieces) this.#stream.write(piece)
    return await answered
  }

  #onceFree(resolve: () => void): void {
    const free = (): void => {
      this.#stream.off('drain', free)
      this.#stream.off('close', free)
      resolve()
    }
    this.#stream.once('drain', free)
    this.#stream.once('close', free)
  }

  #answer(answer: Answer): void {
    if (answer.error !== undefined) return this.#break(new Error(`Patching files: the destination could not write them (${answer.error})`))
    this.#answered?.resolve(answer)
    this.#answered = undefined
  }

  #break(error: Error): void {
    this.#broken ??= error
    this.#answered?.reject(this.#broken)
    this.#answered = undefined
    this.#stream.destroy()
  }
}

/** The destination's end: resolves when the stream ends. Whatever it says, only plain files below `folder` are written or made. */
export async function receivePatches(stream: Duplex, folder: string, helper: string): Promise<void> {
  const files = new PatchedFiles(folder)
  const asked = new AskedDigests(files, stream, helper)
  const parser = new FrameParser({
    data: (kind, name, piece) => {
      if (kind === 'digests') asked.take(name, piece)
      else if (kind === 'patch') files.write(name, piece)
      else throw new Error(`Patching files: a frame of ${kind}`)
    },
    json: (_kind, value) => {
      for (const [name, bytes] of End.parse(value).files) files.truncate(name, bytes)
      stream.write(encodeJson('answer', {}))
    },
  })
  try {
    for await (const chunk of stream) {
      parser.push(chunk as Buffer)
      await asked.told()
    }
  } catch (error) {
    if (!stream.destroyed) stream.end(encodeJson('answer', { error: messageOf(error) }))
    throw error
  } finally {
    asked.close()
    files.close()
  }
}

/** The other end sends nothing else before it has been answered. */
class AskedDigests {
  readonly #files: PatchedFiles
  readonly #stream: Duplex
  readonly #program: string
  #helper: BlockHelper | undefined
  #key: Buffer = Buffer.alloc(0)
  #wanted: string | undefined

  constructor(files: PatchedFiles, stream: Duplex, program: string) {
    this.#files = files
    this.#stream = stream
    this.#program = program
  }

  /** The key comes in pieces, and is the same each time. */
  take(name: string, piece: Buffer): void {
    this.#key = Buffer.concat([this.#key, piece])
    if (this.#key.length > keyBytes) throw new Error(`Patching files: a key of more than ${keyBytes} bytes`)
    if (this.#key.length === keyBytes) this.#wanted = name
  }

  async told(): Promise<void> {
    if (this.#wanted === undefined) return
    const [name, key] = [this.#wanted, this.#key]
    this.#wanted = undefined
    this.#key = Buffer.alloc(0)
    const fd = this.#files.readable(name)
    this.#helper ??= new BlockHelper(this.#program, key)
    const tell = (piece: Buffer): void => {
      this.#stream.write(encodeHeader('digests', name, piece.length))
      this.#stream.write(piece)
    }
    if (fd !== undefined) await this.#helper.digests(fd, tell)
    this.#stream.write(encodeJson('answer', { absent: fd === undefined }))
  }

  close(): void {
    this.#helper?.close()
  }
}

class PatchedFiles {
  readonly #folder: string
  readonly #open = new Map<string, number>()
  #frame = ''
  #at = 0

  constructor(folder: string) {
    this.#folder = folder
  }

  /** A frame's data comes in pieces, one after the other. */
  write(frame: string, piece: Buffer): void {
    const [, offset = '', name = ''] = /^(\d{1,15}):([\s\S]+)$/.exec(frame) ?? []
    if (frame !== this.#frame) [this.#frame, this.#at] = [frame, Number(offset)]
    const fd = this.#fd(name)
    for (let done = 0; done < piece.length; ) done += writeSync(fd, piece, done, piece.length - done, this.#at + done)
    this.#at += piece.length
  }

  /** Makes it where nothing has that name. Undefined: something else has, or there is no such folder. */
  readable(name: string): number | undefined {
    try {
      return this.#fd(name)
    } catch {
      return this.#create(name)
    }
  }

  truncate(name: string, bytes: number): void {
    this.#frame = ''
    ftruncateSync(this.#fd(name), bytes)
  }

  close(): void {
    for (const fd of this.#open.values()) closeSync(fd)
    this.#open.clear()
  }

  #create(name: string): number | undefined {
    try {
      const fd = createBeneath(this.#folder, name)
      this.#open.set(name, fd)
      return fd
    } catch {
      return undefined
    }
  }

  #fd(name: string): number {
    const known = this.#open.get(name)
    if (known !== undefined) return known
    if (this.#open.size >= maximumFiles) throw new Error(`Patching files: more than ${maximumFiles} files`)
    const { fd } = openBeneath(this.#folder, name, constants.O_RDWR)
    this.#open.set(name, fd)
    return fd
  }
}
