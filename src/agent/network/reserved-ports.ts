// Where this node stands in for a pod's flows to itself and the pod lives elsewhere, its table does not know the ports between their ends any more. While
// the pod moves they are kept from everybody else: source and destination let packets with such a port pass untracked, to the flow's own socket.
import type { Leg } from '../rooms.ts'
import { run } from '../run.ts'
import { deleteLine, reserveLines } from './leg-plan.ts'

/** Longer than a move; what a killed agent leaves ends by itself. */
const keptSeconds = 3600

export class ReservedPorts {
  readonly #helper: string
  readonly #kept = new Map<string, Leg[]>()

  constructor(helper: string) {
    this.#helper = helper
  }

  /**
   * Entries as the flows have them elsewhere: the kernel gives no new connection, its own or one that it masquerades, what it would have to share with
   * one. A port that is taken stays so.
   */
  async keep(uid: string, legs: readonly Leg[]): Promise<void> {
    this.#kept.set(uid, [...(this.#kept.get(uid) ?? []), ...legs])
    await this.keepFor(legs, keptSeconds)
  }

  async keepFor(legs: readonly Leg[], seconds: number): Promise<void> {
    await this.#apply(legs.flatMap((leg) => reserveLines(leg, seconds)))
  }

  /** `afterSeconds`: source and destination go on for so long. */
  async giveBack(uid: string, afterSeconds = 0): Promise<void> {
    const legs = this.#kept.get(uid) ?? []
    this.#kept.delete(uid)
    await (afterSeconds > 0 ? this.keepFor(legs, afterSeconds) : this.#apply(legs.map((leg) => deleteLine(leg.protocol, leg))))
  }

  async #apply(lines: readonly string[]): Promise<void> {
    if (lines.length > 0) await run(this.#helper, ['conntrack', 'apply'], { input: `${lines.join('\n')}\n` })
  }
}
