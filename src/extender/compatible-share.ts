// To how many nodes could a pod go on from a node: nodes with equal kernel, CRIU and CPU are one class, and classes are few.
import type { NodeMigrationCapacity } from '../api/node-migration-capacity.ts'
import { compatibilityRefusals } from './compatibility.ts'
import type { NodeFacts } from './node-facts.ts'

export interface NodeClass {
  /** The first node of it as it was then: they are alike, and it may change. */
  sample: NodeFacts
  members: number
  eligible: number
  /** Part of the eligible nodes that take what runs here; undefined: to be worked out again. */
  share: number | undefined
}

export class CompatibleShares {
  readonly #classes = new Map<string, NodeClass>()
  readonly #classOf = new Map<string, { key: string; isEligible: boolean }>()

  /** Agents report twice a minute: most reports change nothing here. */
  set(facts: NodeFacts, capacity: NodeMigrationCapacity): void {
    const key = keyOf(capacity)
    const isEligible = capacity.status?.eligible ?? false
    const before = this.#classOf.get(facts.name)
    if (before?.key === key && before.isEligible === isEligible) return
    this.delete(facts)
    const found = this.#classes.get(key) ?? { sample: { ...facts }, members: 0, eligible: 0, share: undefined }
    found.members++
    if (isEligible) found.eligible++
    this.#classes.set(key, found)
    this.#classOf.set(facts.name, { key, isEligible })
    facts.nodeClass = found
    this.#forget()
  }

  delete(facts: NodeFacts): void {
    const before = this.#classOf.get(facts.name)
    if (!before) return
    this.#classOf.delete(facts.name)
    facts.nodeClass = undefined
    const found = this.#classes.get(before.key)
    if (!found) return
    found.members--
    if (before.isEligible) found.eligible--
    if (found.members === 0) this.#classes.delete(before.key)
    this.#forget()
  }

  /** 1 for a node that no agent has looked at: nothing is known against it. */
  of(facts: NodeFacts): number {
    const own = facts.nodeClass
    if (!own) return 1
    own.share ??= this.#shareOf(own)
    return own.share
  }

  #shareOf(own: NodeClass): number {
    let all = 0
    let taking = 0
    for (const other of this.#classes.values()) {
      all += other.eligible
      if (compatibilityRefusals(own.sample, other.sample).length === 0) taking += other.eligible
    }
    return all > 0 ? taking / all : 1
  }

  #forget(): void {
    for (const known of this.#classes.values()) known.share = undefined
  }
}

function keyOf({ status }: NodeMigrationCapacity): string {
  const { peerProtocol, architecture, cgroupVersion, kernel, criuVersion, cpuFeatures } = status ?? {}
  return JSON.stringify([peerProtocol, architecture, cgroupVersion, kernel, criuVersion, [...(cpuFeatures ?? [])].sort()])
}
