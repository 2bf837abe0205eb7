// Where this node stands in for a pod's flows to itself and the pod lives elsewhere, its table does not know the ports between their ends any more. While
// the pod moves they are kept from everybody else: source and destination let packets with such a port pass untracked, to the flow's own socket.
import type { AgentConfig } from '../config.ts'
import type { Leg } from '../rooms.ts'
import { run } from '../run.ts'
import { rollbackUntrackedSeconds } from './flow-tables.ts'
import { isHere } from './kernel-files.ts'
import { reserveLines } from './leg-plan.ts'
import { standInAddresses } from './read-ways.ts'
import { ipsOf, type NetworkRecord } from './records.ts'

/** Longer than a move; what nobody gives back ends by itself. */
const keptSeconds = 3600

/** Whose they are is in the move's record: they outlive the agent, and so does that. */
export class ReservedPorts {
  readonly #helper: string
  readonly #nodeIps: readonly string[]

  constructor({ helper, nodeIps }: Pick<AgentConfig, 'helper' | 'nodeIps'>) {
    this.#helper = helper
    this.#nodeIps = nodeIps
  }

  /** Flows of a pod to itself, with an address of this node between their ends. */
  async standsInFor(legs: readonly Leg[]): Promise<Leg[]> {
    const standIns = await standInAddresses(this.#nodeIps)
    return legs.filter(({ sourceNat }) => sourceNat !== undefined && standIns.includes(sourceNat.address))
  }

  /**
   * Entries as the flows have them elsewhere: the kernel gives no new connection, its own or one that it masquerades, what it would have to share with
   * one. A port that is taken stays so.
   */
  async keep(legs: readonly Leg[]): Promise<void> {
    await this.#reserve(legs, keptSeconds)
  }

  /**
   * The move is over, and the pod is not here. The other nodes may hear of it later, and let packets with such a port pass untracked until then, after
   * a rollback for as long as this.
   */
  async giveBack(legs: readonly Leg[]): Promise<void> {
    await this.#reserve(legs, rollbackUntrackedSeconds)
  }

  /** Home, which may hear of the end late: when the pod has come here meanwhile the flows have their entries, and live by them. */
  async giveBackFrom(record: NetworkRecord): Promise<void> {
    if (!(await isHere(ipsOf(record)))) await this.giveBack(record.reserved ?? [])
  }

  async #reserve(legs: readonly Leg[], seconds: number): Promise<void> {
    await this.#apply(legs.flatMap((leg) => reserveLines(leg, seconds)))
  }

  async #apply(lines: readonly string[]): Promise<void> {
    if (lines.length > 0) await run(this.#helper, ['conntrack', 'apply'], { input: `${lines.join('\n')}\n` })
  }
}
