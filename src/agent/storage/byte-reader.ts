// Takes a stream by numbers of bytes, at the pace of whoever takes.
import type { Readable } from 'node:stream'

/** Beyond what is asked for, no more than this is held. */
const aheadBytes = 4 << 20

export class ByteReader {
  readonly #stream: Readable
  #chunks: Buffer[] = []
  #have = 0
  #wanted: { bytes: number; resolve: (data: Buffer) => void; reject: (error: Error) => void } | undefined
  #ended: Error | undefined

  constructor(stream: Readable) {
    this.#stream = stream
    stream.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk)
      this.#have += chunk.length
      this.#settle()
      if (!this.#wanted && this.#have >= aheadBytes) stream.pause()
    })
  }

  /** Exactly so many. One at a time. Rejects when the stream ends before. */
  take(bytes: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#wanted = { bytes, resolve, reject }
      this.#settle()
      if (this.#wanted) this.#stream.resume()
    })
  }

  /** There will be no more than what has come. */
  end(error: Error): void {
    this.#ended ??= error
    this.#settle()
  }

  #settle(): void {
    const wanted = this.#wanted
    if (!wanted || (this.#have < wanted.bytes && !this.#ended)) return
    this.#wanted = undefined
    if (this.#have >= wanted.bytes) wanted.resolve(this.#cut(wanted.bytes))
    else wanted.reject(this.#ended as Error)
  }

  #cut(bytes: number): Buffer {
    const pieces: Buffer[] = []
    let left = bytes
    while (left > 0) {
      const chunk = this.#chunks.shift() as Buffer
      if (chunk.length > left) this.#chunks.unshift(chunk.subarray(left))
      pieces.push(chunk.subarray(0, left))
      left -= Math.min(left, chunk.length)
    }
    this.#have -= bytes
    return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
  }
}
