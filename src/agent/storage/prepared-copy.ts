// An rsync that is started, connected and through its handshake before the freeze, and waits for the list of files on its standard input.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'

export interface CopyResult {
  exitCode: number
  stdout: string
  stderr: string
}

const outputLimit = 64 * 1024

export class PreparedCopy {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #ended: Promise<CopyResult>
  #over = false

  constructor(args: readonly string[]) {
    this.#child = spawn('rsync', args, { stdio: 'pipe' })
    // Without a final pass the peer's rsync gives up after its I/O timeout, and this one with it: nobody has to end it.
    this.#child.stdin.on('error', () => undefined)
    this.#ended = this.#collect()
  }

  /** False: it ended already, start another. */
  get waits(): boolean {
    return !this.#over
  }

  finish(list: Uint8Array): Promise<CopyResult> {
    this.#child.stdin.end(list)
    return this.#ended
  }

  #collect(): Promise<CopyResult> {
    const said = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      this.#child[name].on('data', (chunk: Buffer) => {
        said[name] = (said[name] + chunk.toString('latin1')).slice(-outputLimit)
      })
    }
    return new Promise((resolve) => {
      const end = (exitCode: number): void => {
        this.#over = true
        resolve({ exitCode, ...said })
      }
      this.#child.once('error', (error) => {
        said.stderr += error.message
        end(127)
      })
      this.#child.once('close', (code) => end(code ?? 128))
    })
  }
}
