// A unix socket through which a program (rsync, a tracker) reaches the destination: each connection is one raw stream to the peer's agent.
import { mkdirSync, rmSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { type Duplex, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { messageOf } from '../../runtime/errors.ts'
import { log } from '../../runtime/log.ts'
import type { RateLimit } from './rate-limit.ts'

export class FileTransport {
  readonly socketPath: string
  readonly #open: () => Promise<Duplex>
  readonly #warm: Duplex[] = []
  readonly #carried = new Set<net.Socket>()
  readonly #server: net.Server
  readonly #limit: RateLimit | undefined

  private constructor(socketPath: string, open: () => Promise<Duplex>, limit: RateLimit | undefined) {
    this.socketPath = socketPath
    this.#open = open
    this.#limit = limit
    this.#server = net.createServer({ allowHalfOpen: true }, (local) => void this.#carry(local))
  }

  /** `limit`: of what leaves; rsync keeps to one of its own. */
  static async listen(socketPath: string, open: () => Promise<Duplex>, limit?: RateLimit): Promise<FileTransport> {
    mkdirSync(path.dirname(socketPath), { recursive: true, mode: 0o700 })
    rmSync(socketPath, { force: true })
    const transport = new FileTransport(socketPath, open, limit)
    await new Promise<void>((resolve, reject) => {
      transport.#server.once('error', reject)
      transport.#server.listen(socketPath, resolve)
    })
    return transport
  }

  /** Opens streams ahead: no handshake inside the freeze. */
  async warm(count: number): Promise<void> {
    const opened = await Promise.all(Array.from({ length: Math.max(0, count - this.#warm.length) }, this.#open))
    this.#warm.push(...opened)
    for (const stream of opened) stream.on('error', () => undefined)
  }

  /** Whoever still speaks through it is cut off: a program whose peer says nothing would keep its caller waiting. */
  close(): void {
    this.#server.close()
    for (const stream of [...this.#warm, ...this.#carried]) stream.destroy()
    rmSync(this.socketPath, { force: true })
  }

  async #carry(local: net.Socket): Promise<void> {
    this.#carried.add(local)
    local.once('close', () => this.#carried.delete(local))
    try {
      const remote = this.#takeWarm() ?? (await this.#open())
      await Promise.all([this.#limit ? pipeline(local, limited(this.#limit), remote) : pipeline(local, remote), pipeline(remote, local)])
    } catch (error) {
      log.debug({ reason: messageOf(error) }, 'a file stream ended early')
      local.destroy()
    }
  }

  #takeWarm(): Duplex | undefined {
    for (let stream = this.#warm.pop(); stream; stream = this.#warm.pop()) if (!stream.destroyed) return stream
    return undefined
  }
}

function limited(limit: RateLimit): Transform {
  return new Transform({
    transform: (chunk: Buffer, _encoding, done) => void limit.take(chunk.length).then(() => done(null, chunk), done),
  })
}
