// Where this node stands in for a pod's flows to itself and the pod lives elsewhere, its table does not know the ports between their ends any more. While
// the pod moves they are kept from everybody else: source and destination let packets with such a port pass untracked, to the flow's own socket.
import type { Leg } from '../rooms.ts'
import { run } from '../run.ts'
import { reserveLines } from './leg-plan.ts'

/** Longer than a move; what nobody gives back ends by itself. */
const keptSeconds = 3600
/** The other nodes hear later that a move is over, and let packets with such a port pass untracked until then. */
const afterwardsSeconds = 15

/** Whose they are is in the move's record: they outlive the agent, and so does that. */
export class ReservedPorts {
  readonly #helper: string

  constructor(helper: string) {
    this.#helper = helper
  }

  /**
   * Entries as the flows have them elsewhere: the kernel gives no new connection, its own or one that it masquerades, what it would have to share with
   * one. A port that is taken stays so.
   */
  async keep(legs: readonly Leg[]): Promise<void> {
    await this.#reserve(legs, keptSeconds)
  }

  /** The move is over, and the pod is not here. */
  async giveBack(legs: readonly Leg[]): Promise<void> {
    await this.#reserve(legs, afterwardsSeconds)
  }

  async #reserve(legs: readonly Leg[], seconds: number): Promise<void> {
    await this.#apply(legs.flatMap((leg) => reserveLines(leg, seconds)))
  }

  async #apply(lines: readonly string[]): Promise<void> {
    if (lines.length > 0) await run(this.#helper, ['conntrack', 'apply'], { input: `${lines.join('\n')}\n` })
  }
}
