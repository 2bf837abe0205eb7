// Connections that a peer made and the pod has not accepted yet: criu cannot dump them, so the pod gets a moment to take them.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { AgentConfig } from '../config.ts'
import { putFirst } from '../priority.ts'
import { untilNone } from './until-none.ts'

/** Of one pod: `podmotion-helper queues` (native/helper/queues.c), started ahead of the freeze. */
export class AcceptQueues {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>
  readonly #closed: Promise<unknown>
  #said = ''

  constructor(config: AgentConfig, pid: number) {
    this.#child = spawn(config.helper, ['queues', String(pid)], { stdio: 'pipe' })
    putFirst(this.#child.pid)
    this.#child.stdin.on('error', () => undefined)
    this.#child.once('error', (error) => this.#hear(error.message))
    this.#child.stderr.on('data', (chunk: Buffer) => this.#hear(chunk.toString()))
    this.#closed = new Promise((resolve) => this.#child.once('close', resolve))
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  /** How many wait, over all listeners. */
  async waiting(): Promise<number> {
    this.#child.stdin.write('\n')
    const { value, done } = await this.#lines.next()
    if (!done) return Number(value)
    await this.#closed
    throw new Error(`Counting connections that wait to be accepted: the helper ended (${this.#said.trim() || 'it said nothing'})`)
  }

  /** New ones go to the destination by now, so this ends as soon as the pod gets to run. */
  async untilAccepted(timeoutMs: number): Promise<void> {
    await untilNone(() => this.waiting(), timeoutMs)
  }

  close(): void {
    this.#child.kill('SIGKILL')
  }

  #hear(text: string): void {
    this.#said += text
  }
}
