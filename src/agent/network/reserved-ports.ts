// Where this node stands in for a pod's flows to itself and the pod lives elsewhere, its table does not know the ports between their ends any more. While
// the pod moves they are kept from everybody else: source and destination let packets with such a port pass untracked, to the flow's own socket.
import { run } from '../run.ts'
import { tupleKey } from './conntrack-entries.ts'
import type { UntrackedFlow } from './rule-sets.ts'

/** Longer than a move; what a killed agent leaves ends by itself. */
const keptSeconds = 3600

export class ReservedPorts {
  readonly #helper: string
  readonly #kept = new Map<string, UntrackedFlow[]>()

  constructor(helper: string) {
    this.#helper = helper
  }

  /** Entries of flows that there are not: the kernel gives no new connection what it would have to share with one. A port that is taken stays so. */
  async keep(uid: string, flows: readonly UntrackedFlow[]): Promise<void> {
    this.#kept.set(uid, [...(this.#kept.get(uid) ?? []), ...flows])
    await this.#apply(flows.map((flow) => `I ${textOf(flow)} snat=- dnat=- mark=0 wo=0 wr=0 timeout=${keptSeconds}`))
  }

  async giveBack(uid: string): Promise<void> {
    const flows = this.#kept.get(uid) ?? []
    this.#kept.delete(uid)
    await this.#apply(flows.map((flow) => `D ${textOf(flow)}`))
  }

  async #apply(lines: readonly string[]): Promise<void> {
    if (lines.length > 0) await run(this.#helper, ['conntrack', 'apply'], { input: `${lines.join('\n')}\n` })
  }
}

function textOf({ protocol, tuple }: UntrackedFlow): string {
  return tupleKey(protocol, tuple)
}
