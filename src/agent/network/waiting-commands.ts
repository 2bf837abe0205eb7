// The commands of the next steps of a move, started ahead and waiting for their text; at most one of each kind for a migration.
import { run } from '../run.ts'
import { WaitingRun } from '../waiting-run.ts'

export interface Command {
  command: string
  args: readonly string[]
}

export const ipBatch: Command = { command: 'ip', args: ['-batch', '-'] }

export function nftIn(sandboxPid: number): Command {
  return { command: 'nsenter', args: ['--target', String(sandboxPid), '--net', '--', 'nft', '-f', '-'] }
}

export class WaitingCommands {
  readonly #waiting = new Map<string, WaitingRun>()

  start(uid: string, step: string, { command, args }: Command): void {
    const key = `${uid} ${step}`
    if (!this.#waiting.get(key)?.waits) this.#waiting.set(key, new WaitingRun(command, args))
  }

  /** With the one that waits, else with a new one; the same again if it failed, because every text here may be repeated. */
  async finish(uid: string, step: string, { command, args }: Command, input: string): Promise<void> {
    const key = `${uid} ${step}`
    const waiting = this.#waiting.get(key)
    this.#waiting.delete(key)
    if (waiting?.waits && (await waiting.finish(input)).exitCode === 0) return
    await run(command, args, { input })
  }

  cancel(uid: string): void {
    for (const [key, waiting] of this.#waiting) {
      if (!key.startsWith(`${uid} `)) continue
      waiting.cancel()
      this.#waiting.delete(key)
    }
  }
}
