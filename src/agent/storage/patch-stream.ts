// Pieces of files, from the source's agent to the destination's, written there in place. Frames as in transfer/frame.ts: `patch`, named
// `offset:path`, then `end` with the length of each file, which is answered; then more of both on the same stream.
import { closeSync, constants, ftruncateSync, writeSync } from 'node:fs'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { z } from 'zod'
import { messageOf } from '../../runtime/errors.ts'
import { encodeHeader, encodeJson, FrameParser } from '../transfer/frame.ts'
import { openBeneath } from './beneath.ts'

/** First line of such a stream is this and the token of the folder: without it, the stream is one of rsync's. */
export const patchPrefix = 'patch:'

const End = z.object({ files: z.array(z.tuple([z.string(), z.int().nonnegative()])) })
const Answer = z.object({ error: z.string().optional() })
/** Far more than are ever kept. */
const maximumFiles = 4096

/** The source's end. */
export class PatchStream {
  readonly #stream: Duplex
  #answered: { resolve: () => void; reject: (error: Error) => void } | undefined
  #broken: Error | undefined

  constructor(stream: Duplex) {
    this.#stream = stream
    const parser = new FrameParser({
      data: () => this.#break(new Error('Patching files: the peer sent data back')),
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

  /** Resolves when the destination has written everything, and given the files these lengths. */
  async finish(sizes: ReadonlyMap<string, number>): Promise<void> {
    if (this.#broken) throw this.#broken
    const answered = new Promise<void>((resolve, reject) => {
      this.#answered = { resolve, reject }
    })
    this.#stream.write(encodeJson('end', { files: [...sizes] }))
    await answered
  }

  close(): void {
    this.#stream.destroy()
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

  #answer({ error }: z.infer<typeof Answer>): void {
    if (error !== undefined) return this.#break(new Error(`Patching files: the destination could not write them (${error})`))
    this.#answered?.resolve()
    this.#answered = undefined
  }

  #break(error: Error): void {
    this.#broken ??= error
    this.#answered?.reject(this.#broken)
    this.#answered = undefined
    this.#stream.destroy()
  }
}

/** The destination's end: resolves when the stream ends. Whatever it says, only plain files below `folder` that exist are written. */
export async function receivePatches(stream: Duplex, folder: string): Promise<void> {
  const files = new PatchedFiles(folder)
  const parser = new FrameParser({
    data: (kind, name, piece) => {
      if (kind !== 'patch') throw new Error(`Patching files: a frame of ${kind}`)
      files.write(name, piece)
    },
    json: (_kind, value) => {
      for (const [name, bytes] of End.parse(value).files) files.truncate(name, bytes)
      stream.write(encodeJson('answer', {}))
    },
  })
  try {
    for await (const chunk of stream) parser.push(chunk as Buffer)
  } catch (error) {
    if (!stream.destroyed) stream.end(encodeJson('answer', { error: messageOf(error) }))
    throw error
  } finally {
    files.close()
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

  truncate(name: string, bytes: number): void {
    this.#frame = ''
    ftruncateSync(this.#fd(name), bytes)
  }

  close(): void {
    for (const fd of this.#open.values()) closeSync(fd)
    this.#open.clear()
  }

  #fd(name: string): number {
    const known = this.#open.get(name)
    if (known !== undefined) return known
    if (this.#open.size >= maximumFiles) throw new Error(`Patching files: more than ${maximumFiles} files`)
    const { fd } = openBeneath(this.#folder, name, constants.O_WRONLY)
    this.#open.set(name, fd)
    return fd
  }
}
