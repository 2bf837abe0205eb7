// `podmotion-helper blocks` (native/helper/blocks.c): compares files with digests of what the destination has of them. One process for a folder of a
// move; whatever goes wrong ends it, and then rsync carries those files.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { log } from '../../runtime/log.ts'
import { putBeforeCopies, putFirst } from '../priority.ts'
import { ByteReader } from './byte-reader.ts'

/** KEY_WORDS of native/helper/digest.h. */
export const keyBytes = 514 * 8
const digestBytes = 32
const blockBytes = 4096
/** Of digests, handed on at a time. */
const pieceBytes = 1 << 20
const everything = 2n ** 64n - 1n
const stderrLimit = 4000
/** It may be in the middle of a large file. */
const patienceMs = 5000

export class BlockHelper {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #answers: ByteReader
  #said = ''

  /** `waitedFor`: by a freeze, now or later. */
  constructor(helper: string, key: Buffer, { waitedFor = true } = {}) {
    this.#child = spawn(helper, ['blocks'], { stdio: 'pipe' })
    if (waitedFor) putFirst(this.#child.pid)
    else putBeforeCopies(this.#child.pid)
    this.#answers = new ByteReader(this.#child.stdout)
    this.#child.stdin.on('error', () => undefined)
    this.#child.stderr.on('data', (chunk: Buffer) => {
      log.info({ said: chunk.toString().trim() }, 'podmotion-helper blocks spoke')
      this.#said = (this.#said + chunk.toString()).slice(-stderrLimit)
    })
    this.#child.once('error', (error) => this.#end(error.message))
    this.#child.once('close', () => this.#end(''))
    this.#child.stdin.write(key)
  }

  /** Hands on the digests of all blocks, in order; resolves with the length of the file. `fd`: open in this process. */
  async digests(fd: number, found: (piece: Buffer) => void): Promise<number> {
    this.#child.stdin.write(`digests ${pathOf(fd)}\n`)
    const bytes = Number((await this.#answers.take(8)).readBigUInt64LE())
    for (let left = Math.ceil(bytes / blockBytes) * digestBytes; left > 0; left -= pieceBytes)
      found(await this.#answers.take(Math.min(pieceBytes, left)))
    return bytes
  }

  /** What the destination has under the number `file`. */
  know(file: number, digests: readonly Buffer[]): void {
    const bytes = digests.reduce((sum, { length }) => sum + length, 0)
    this.#child.stdin.write(`know ${file} ${bytes / digestBytes}\n`)
    for (const piece of digests) this.#child.stdin.write(piece)
  }

  /** From then on files of this folder's file system can be watched; resolves with why not, or ''. */
  async watchIn(folder: string): Promise<string> {
    this.#child.stdin.write(`watch-in ${folder}\n`)
    return await this.#reason()
  }

  /** Of the file, `changes` looks only at what is written from now on; `fd`: as its own file system has it. Resolves with why not, or ''. */
  async watch(file: number, fd: number): Promise<string> {
    this.#child.stdin.write(`watch ${file} ${pathOf(fd)}\n`)
    return await this.#reason()
  }

  /** Hands on each run that differs from what is known, which it is known by from then on. Resolves with the lengths of the files. */
  async changes(
    files: readonly { file: number; fd: number }[],
    found: (file: number, at: number, data: Buffer) => Promise<void>,
  ): Promise<Map<number, number>> {
    this.#child.stdin.write(['gather', ...files.map(({ file, fd }) => `changes ${file} ${pathOf(fd)}`), ''].join('\n'))
    const sizes = new Map<number, number>()
    for (const { file } of files) sizes.set(file, await this.#changesOf(file, found))
    return sizes
  }

  /**
   * How many bytes of each `changes` would look at, as if this were what it looked at the last time; undefined: everything. For files of which nothing is
   * known.
   */
  async written(files: readonly { file: number; fd: number }[]): Promise<(number | undefined)[]> {
    this.#child.stdin.write(['gather', ...files.map(({ file, fd }) => `written ${file} ${pathOf(fd)}`), ''].join('\n'))
    const written: (number | undefined)[] = []
    for (const _ of files) {
      const bytes = (await this.#answers.take(8)).readBigUInt64LE()
      written.push(bytes === everything ? undefined : Number(bytes))
    }
    return written
  }

  close(): void {
    // It ends by itself, and takes away what it has in the kernel.
    this.#child.stdin.destroy()
    this.#child.stdout.destroy()
    setTimeout(() => this.#child.kill('SIGKILL'), patienceMs).unref()
  }

  async #reason(): Promise<string> {
    return (await this.#answers.take((await this.#answers.take(4)).readUInt32LE())).toString()
  }

  async #changesOf(file: number, found: (file: number, at: number, data: Buffer) => Promise<void>): Promise<number> {
    for (;;) {
      const head = await this.#answers.take(12)
      const [at, length] = [Number(head.readBigUInt64LE()), head.readUInt32LE(8)]
      if (length === 0) return at
      await found(file, at, await this.#answers.take(length))
    }
  }

  #end(reason: string): void {
    this.#answers.end(new Error(`Comparing files: podmotion-helper blocks ended (${(this.#said + reason).trim() || 'it said nothing'})`))
  }
}

function pathOf(fd: number): string {
  return `/proc/${process.pid}/fd/${fd}`
}
