// The node's connection table through the native helper: entries of a pod, relayed ones, and changes in one batch.
import { run } from '../run.ts'
import { type ConntrackEntry, parseEntries, refusedLines } from './conntrack-entries.ts'
import { relayMarkPattern } from './relay-marks.ts'
import type { Command, WaitingCommands } from './waiting-commands.ts'

/** A packet between the deletion and the insertion of one batch makes an entry of its own; it cannot go on for long. */
const applyTries = 5

export class Conntrack {
  readonly #helper: string

  constructor(helper: string) {
    this.#helper = helper
  }

  async entriesOf(ips: readonly string[]): Promise<ConntrackEntry[]> {
    return parseEntries((await run(this.#helper, dumpOf(ips))).stdout)
  }

  /** Without TCP flows that are over: a busy server leaves thousands of them, for two minutes each. */
  async openEntriesOf(ips: readonly string[]): Promise<ConntrackEntry[]> {
    return parseEntries((await run(this.#helper, [...dumpOf(ips), '--open'])).stdout)
  }

  async relayed(): Promise<ConntrackEntry[]> {
    return parseEntries((await run(this.#helper, ['conntrack', 'dump', '--mark', relayMarkPattern])).stdout)
  }

  /** Of open ones, started ahead and asked for inside the freeze. */
  startDump(waiting: WaitingCommands, uid: string, ips: readonly string[]): void {
    waiting.start(uid, 'dump', this.#waitingDump(ips))
  }

  async finishDump(waiting: WaitingCommands, uid: string, ips: readonly string[]): Promise<ConntrackEntry[]> {
    return parseEntries(await waiting.finish(uid, 'dump', this.#waitingDump(ips), ''))
  }

  async apply(lines: readonly string[]): Promise<void> {
    let left = lines
    for (let tries = 1; left.length > 0; tries++) {
      const answer = await run(this.#helper, ['conntrack', 'apply'], { input: `${left.join('\n')}\n` })
      const refused = refusedLines(answer.stdout, left)
      const wrong = refused.filter(({ again, plain }) => again === undefined || (tries === applyTries && !plain))
      if (wrong.length > 0) throw refusal(wrong.map(({ message }) => message))
      if (tries === applyTries) return
      left = refused.flatMap(({ again }) => again ?? [])
    }
  }

  #waitingDump(ips: readonly string[]): Command {
    return { command: this.#helper, args: [...dumpOf(ips), '--open', '--wait'] }
  }
}

function dumpOf(ips: readonly string[]): string[] {
  return ['conntrack', 'dump', ...ips.flatMap((ip) => ['--ip', ip])]
}

function refusal(messages: readonly string[]): Error {
  return new Error(`Writing conntrack entries: the kernel refused ${messages.slice(0, 5).join('; ')}`)
}
