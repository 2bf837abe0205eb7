// A program started ahead that waits for its standard input: inside a freeze or a hold only the work itself is left to do, not the start.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { putFirst } from './priority.ts'

export interface WaitingResult {
  exitCode: number
  /** Bytes, one a character. */
  stdout: string
  stderr: string
}

const usualOutputLimit = 64 * 1024

export class WaitingRun {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #ended: Promise<WaitingResult>
  #over = false

  /** Of longer output the end is kept. */
  constructor(command: string, args: readonly string[], outputLimit = usualOutputLimit) {
    this.#child = spawn(command, args, { stdio: 'pipe' })
    putFirst(this.#child.pid)
    this.#child.stdin.on('error', () => undefined)
    this.#ended = this.#collect(outputLimit)
  }

  /** False: it ended before it was asked for anything. */
  get waits(): boolean {
    return !this.#over
  }

  finish(input: string | Uint8Array): Promise<WaitingResult> {
    this.#child.stdin.end(input)
    return this.#ended
  }

  cancel(): void {
    this.#child.kill('SIGKILL')
  }

  #collect(outputLimit: number): Promise<WaitingResult> {
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
