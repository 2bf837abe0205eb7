// Stand-in and gate of one container as native/README.md describes them, without a container.
import { rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'

export class FakeContainer {
  readonly heard: string[] = []
  readonly #folder: string
  readonly #servers: net.Server[] = []
  readonly #sockets = new Set<net.Socket>()
  state = 'waiting'
  diesAtResume = false
  /** Of the process that runs although its criu was killed before it opened the gate. */
  runsWithoutGate: number | undefined
  firstPid = process.pid
  /** criu dies when the gate opens, and runc does not see it. */
  hangsWithoutGate = false
  decision: string | undefined
  #events: string[] = []
  #asked: net.Socket | undefined

  constructor(folder: string) {
    this.#folder = folder
  }

  async stand(): Promise<void> {
    await this.#listen('standin.sock', (line, socket) => this.#onStandIn(line, socket))
  }

  close(): void {
    for (const server of this.#servers) server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #onStandIn(line: string, socket: net.Socket): void {
    this.heard.push(line)
    if (line === 'status') socket.write(`${this.state}\n`)
    if (line === 'quit' && !this.state.startsWith('running')) this.close()
    if (!line.startsWith('arm ')) return
    this.state = 'restoring'
    this.#asked = socket
    void this.#restore()
  }

  async #restore(): Promise<void> {
    writeFileSync(path.join(this.#folder, 'gate.pid'), `${this.firstPid}\n`)
    await this.#listen('gate.sock', (line) => this.#onGate(line))
    this.#announce('held')
  }

  #onGate(line: string): void {
    this.heard.push(line)
    if (line === 'ready') return this.#announce('post-restore')
    if (line === 'resume' && this.diesAtResume) return this.close()
    if (line === 'resume') return this.#end(`running ${process.pid}`)
    if (line === 'go' && (this.runsWithoutGate !== undefined || this.hangsWithoutGate)) {
      if (!this.hangsWithoutGate) this.state = `running ${this.runsWithoutGate}`
      for (const socket of this.#gatePeers()) socket.destroy()
      return
    }
    this.decision ??= line
    for (const socket of this.#gatePeers()) socket.write(`decided ${this.decision}\n`)
    if (this.decision === 'go') this.#announce('pre-resume')
    else this.#end('failed 1')
  }

  #end(state: string): void {
    if (state.startsWith('running')) this.#announce('post-resume')
    this.state = state
    this.#asked?.write(`${state}\n`)
  }

  #announce(name: string): void {
    const event = `event ${name} ${BigInt(Math.round(Date.now())) * 1_000_000n}`
    this.#events.push(event)
    for (const socket of this.#gatePeers()) socket.write(`${event}\n`)
  }

  #gatePeers(): net.Socket[] {
    return [...this.#sockets].filter((socket) => (socket as net.Socket & { gate?: boolean }).gate)
  }

  async #listen(name: string, onLine: (line: string, socket: net.Socket) => void): Promise<void> {
    const file = path.join(this.#folder, name)
    rmSync(file, { force: true })
    const server = net.createServer((socket) => {
      this.#sockets.add(socket)
      if (name === 'gate.sock') {
        Object.assign(socket, { gate: true })
        for (const event of this.#events) socket.write(`${event}\n`)
      }
      socket.on('error', () => undefined)
      socket.on('close', () => this.#sockets.delete(socket))
      socket.on('data', (data) => {
        for (const line of data.toString().split('\n').filter(Boolean)) onLine(line, socket)
      })
    })
    this.#servers.push(server)
    await new Promise<void>((resolve) => server.listen(file, resolve))
  }
}
