// The TCP of one pod, asked at any time without a start: `podmotion-helper tcp` (native/helper/pod-tcp.c) in its network namespace.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { putFirst } from './priority.ts'
import { untilNone } from './runc/until-none.ts'

export interface PodSocket {
  local: string
  localPort: number
  remote: string
  remotePort: number
  /** The kernel's number: 1 ESTABLISHED, 3 SYN_RECV, 10 LISTEN. */
  state: number
}

const Sockets = z.array(z.tuple([z.int(), z.string(), z.int(), z.string(), z.int()]))

/** Nobody asks for so long when no move came of it; the next one that asks starts another. */
const idleMs = 30_000
const open = new Map<number, PodTcp>()

export class PodTcp {
  readonly #pid: number
  readonly #child: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>
  readonly #closed: Promise<unknown>
  #said = ''
  #idle: NodeJS.Timeout | undefined

  private constructor(helper: string, pid: number) {
    this.#pid = pid
    this.#child = spawn(helper, ['tcp', String(pid)], { stdio: 'pipe' })
    putFirst(this.#child.pid)
    this.#child.stdin.on('error', () => undefined)
    this.#child.once('error', (error) => this.#hear(error.message))
    this.#child.stderr.on('data', (chunk: Buffer) => this.#hear(chunk.toString()))
    this.#closed = new Promise((resolve) => this.#child.once('close', resolve))
    void this.#closed.then(() => this.close())
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  /** Of the network namespace of PID, the pod's sandbox: all who ask share one helper. */
  static of(helper: string, pid: number): PodTcp {
    const known = open.get(pid) ?? new PodTcp(helper, pid)
    open.set(pid, known)
    return known
  }

  /** Its network namespace would live as long as the helper. */
  static forget(pid: number): void {
    open.get(pid)?.close()
  }

  /** Connections that a peer made and the pod has not accepted yet, over all listeners. */
  async waiting(): Promise<number> {
    return Number(await this.#ask('waiting'))
  }

  /** Connections to the pod whose handshake has not ended. */
  async halfOpen(): Promise<number> {
    return Number(await this.#ask('half-open'))
  }

  /** `net.ipv4.tcp_early_retrans` there, by which a kernel sends the last segment of a flow again that is not acknowledged within milliseconds. */
  async lossProbes(): Promise<string> {
    return await this.#ask('loss-probes')
  }

  async setLossProbes(value: string): Promise<void> {
    await this.#ask(`loss-probes ${value}`)
  }

  async sockets(): Promise<PodSocket[]> {
    const listed = Sockets.parse(JSON.parse(await this.#ask('sockets')))
    return listed.map(([state, local, localPort, remote, remotePort]) => ({ local, localPort, remote, remotePort, state }))
  }

  /** New ones go to the destination by now, so this ends as soon as the pod gets to run. */
  async untilAccepted(timeoutMs: number): Promise<void> {
    await untilNone(() => this.waiting(), timeoutMs)
  }

  close(): void {
    clearTimeout(this.#idle)
    if (open.get(this.#pid) === this) open.delete(this.#pid)
    this.#child.kill('SIGKILL')
  }

  /** Answers come in the order of the questions. */
  async #ask(word: string): Promise<string> {
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => this.close(), idleMs).unref()
    this.#child.stdin.write(`${word}\n`)
    const { value, done } = await this.#lines.next()
    if (!done) return value
    await this.#closed
    throw new Error(`Asking for the TCP sockets of a pod: the helper ended (${this.#said.trim() || 'it said nothing'})`)
  }

  #hear(text: string): void {
    this.#said += text
  }
}
