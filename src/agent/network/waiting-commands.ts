// The commands of the next steps of a move, started ahead and waiting for their text; at most one of each kind for a migration.
import { run } from '../run.ts'
import { WaitingRun } from '../waiting-run.ts'

/** A pod's connections as JSON. */
const outputLimit = 64 << 20

export interface Command {
  command: string
  args: readonly string[]
}

export const ipBatch: Command = { command: 'ip', args: ['-batch', '-'] }

export const nftFile: Command = { command: 'nft', args: ['-f', '-'] }

export function announcing(helper: string): Command {
  return { command: helper, args: ['garp', '-'] }
}

export function nftIn(sandboxPid: number): Command {
  return { command: 'nsenter', args: ['--target', String(sandboxPid), '--net', '--', 'nft', '-f', '-'] }
}

export class WaitingCommands {
  readonly #waiting = new Map<string, WaitingRun>()

  start(uid: string, step: string, { command, args }: Command): void {
    const key = `${uid} ${step}`
    if (!this.#waiting.get(key)?.waits) this.#waiting.set(key, new WaitingRun(command, args, outputLimit))
  }

  /** With the one that waits, else with a new one; the same again if it failed, because every text here may be repeated. Its output. */
  async finish(uid: string, step: string, { command, args }: Command, input: string): Promise<string> {
    const key = `${uid} ${step}`
    const waiting = this.#waiting.get(key)
    this.#waiting.delete(key)
    const done = waiting?.waits ? await waiting.finish(input) : undefined
    return done?.exitCode === 0 ? done.stdout : (await run(command, args, { input })).stdout
  }

  cancel(uid: string): void {
    for (const [key, waiting] of this.#waiting) {
      if (!key.startsWith(`${uid} `)) continue
      waiting.cancel()
      this.#waiting.delete(key)
    }
  }
}
