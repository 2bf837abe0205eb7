// `podmotion-pages lend` for each container of a frozen source: gives the destination's stores the pages that stayed here, until nothing is wanted
// any more. A lender that ends before that is started again: it keeps nothing, the store asks for what it lacks.
import { spawn } from 'node:child_process'
import path from 'node:path'
import type { Duplex } from 'node:stream'
import { log } from '../../runtime/log.ts'
import type { AgentConfig } from '../config.ts'
import { putFirst } from '../priority.ts'
import type { RunningContainer } from '../runc/state.ts'
import { FileTransport } from '../transfer/file-transport.ts'

const againMs = 500

export interface LendingWays {
  config: AgentConfig
  uid: string
  /** A stream to the store of that container on the destination. */
  open: (container: string) => Promise<Duplex>
  /** Of what is asked for ahead of need; 0: none. */
  limitMbps: number
}

export class Lending {
  readonly #ways: LendingWays
  #transports: FileTransport[] = []
  readonly #stops = new Set<() => void>()
  #begun = false
  #over = false

  constructor(ways: LendingWays) {
    this.#ways = ways
  }

  /** Before the freeze, so that whoever waits for a page waits for no handshake; again after a restart of the agent. */
  async start(containers: readonly RunningContainer[]): Promise<void> {
    if (this.#begun) return
    this.#begun = true
    const { config, uid, open } = this.#ways
    for (const container of containers) {
      const socket = path.join(config.runDir, 'transport', `${uid}.${container.name}.lend`)
      const transport = await FileTransport.listen(socket, () => open(container.name))
      if (this.#over) return transport.close()
      this.#transports.push(transport)
      void this.#lend(container, transport.socketPath)
    }
  }

  /** Nothing may be lent of a source that is about to run again, or to end. */
  close(): void {
    this.#over = true
    for (const stop of this.#stops) stop()
    for (const transport of this.#transports.splice(0)) transport.close()
  }

  async #lend(container: RunningContainer, socket: string): Promise<void> {
    while (!this.#over) {
      const { code, said } = await this.#once(container, socket)
      if (code === 0 || this.#over) return
      log.warn(
        { uid: this.#ways.uid, container: container.name, code, said: said.trim() },
        'a lender of memory ended, starting another one',
      )
      await this.#pause()
    }
  }

  #once({ freezer }: RunningContainer, socket: string): Promise<{ code: number | null; said: string }> {
    const { config, limitMbps } = this.#ways
    const program = path.join(config.optDir, 'bin', 'podmotion-pages')
    const limit = String(Math.round((limitMbps * 1_000_000) / 8))
    const options = ['--freezer', freezer.folder, '--stream', socket, '--pack', 'lz4', '--limit', limit]
    return new Promise((resolve) => {
      const child = spawn(program, ['lend', ...options], { stdio: ['ignore', 'pipe', 'pipe'] })
      putFirst(child.pid)
      const stop = (): void => void child.kill('SIGKILL')
      this.#stops.add(stop)
      let said = ''
      const hear = (chunk: Buffer): void => {
        said = (said + chunk.toString()).slice(-500)
      }
      child.stdout.on('data', hear)
      child.stderr.on('data', hear)
      child.once('error', (error) => hear(Buffer.from(error.message)))
      child.once('close', (code) => {
        this.#stops.delete(stop)
        resolve({ code, said })
      })
    })
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer)
        this.#stops.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, againMs)
      this.#stops.add(wake)
    })
  }
}
