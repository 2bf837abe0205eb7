// One host of a running lab: run commands on it.
import { execa, type Options, type ResultPromise } from 'execa'
import { entersHost, entersNetwork, hostPid } from './boot/enter.ts'
import type { Layout } from './layout.ts'

export class Machine {
  readonly name: string
  readonly #layout: Layout

  constructor(name: string, layout: Layout) {
    this.name = name
    this.#layout = layout
  }

  // The pid of its PID 1 as this machine sees it; changes when the host is powered on again.
  get pid(): number {
    return hostPid(this.#layout, this.name)
  }

  // An execa subprocess inside the host: its files, network, processes. Await it for the result, or read its streams.
  run<const Given extends Options>(command: string, args: readonly string[] = [], options?: Given): ResultPromise<Given> {
    const entered = entersHost(this.pid, command, args)
    return execa(entered.file, entered.args, {
      extendEnv: false,
      ...options,
      env: { ...entered.env, ...options?.env },
    } as unknown as Given) as unknown as ResultPromise<Given>
  }

  // This machine's files and programs on the host's network, for test programs that live in the tree.
  runHere<const Given extends Options>(command: string, args: readonly string[] = [], options?: Given): ResultPromise<Given> {
    const entered = entersNetwork(this.pid, command, args)
    return execa(entered.file, entered.args, (options ?? {}) as Given) as unknown as ResultPromise<Given>
  }

  async read(path: string): Promise<string> {
    return (await this.run('cat', [path], { stripFinalNewline: false })).stdout
  }

  async write(path: string, content: string | Uint8Array): Promise<void> {
    await this.run('sh', ['-c', 'mkdir -p "${1%/*}" && cat > "$1"', 'sh', path], { input: content })
  }
}
