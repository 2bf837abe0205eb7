// Agents of a small cluster in memory: they answer like the real ones and move in a few milliseconds; each call is written down.
import type { KeptCheckpoint, MoveRecord, MoveStep, NetworkState } from '../../src/api/agent-wire.ts'
import type { Agents } from '../../src/migrator/agents.ts'
import { CodedError } from '../../src/runtime/errors.ts'
import { inventory, record } from './world.ts'

const before: readonly MoveStep[] = ['armed', 'held', 'diverted', 'frozen', 'dumped', 'transferred', 'restored', 'verified']

export class FakeAgents implements Agents {
  readonly calls: string[] = []
  readonly records = new Map<string, MoveRecord>()
  readonly networks = new Map<string, NetworkState>()
  readonly checkpointsOn = new Map<string, KeptCheckpoint[]>()
  /** Asked before each call; what it returns is thrown. */
  fault: (call: string) => CodedError | undefined = () => undefined
  /** What is known of each move's memory. */
  preCopy: MoveRecord['preCopy']
  readonly #nodeOf: (address: string) => string

  constructor(nodeOf: (address: string) => string) {
    this.#nodeOf = nodeOf
  }

  async record(address: string, uid: string) {
    if (this.fault(`record ${this.#nodeOf(address)}`)) return 'unreachable' as const
    return this.records.get(this.#key(address, uid)) ?? ('absent' as const)
  }

  async inventory(address: string) {
    this.#called('inventory', address)
    return inventory
  }

  async awaitDestination(address: string, uid: string) {
    this.#called('await', address)
    this.#put(address, { ...record('destination', 'awaiting'), uid })
    setTimeout(() => this.#put(address, { ...record('destination', 'standing'), uid }), 5)
  }

  async startMove(address: string, uid: string, request: Parameters<Agents['startMove']>[2]) {
    this.#called('move', address)
    if (this.records.has(this.#key(address, uid))) return
    const memory = this.preCopy ? { preCopy: this.preCopy } : {}
    this.#put(address, { ...record('source', 'moving', { steps: stepsAt(this.#nodeOf(address), before), ...memory }), uid })
    const commit = () => {
      const steps = stepsAt(request.destination.nodeName, ['committed', 'socketsLive', 'released', 'resumed'])
      const proven = { connections: { source: 3, destination: 3, lost: 0 }, sequenceDelta: 0, freezeMs: 99 }
      this.#put(request.destination.address, { ...record('destination', 'live', { steps, ...proven }), uid })
      const source = this.records.get(this.#key(address, uid))
      if (source) this.#put(address, { ...source, state: 'committed' })
    }
    setTimeout(commit, 20)
  }

  async abort(address: string, uid: string) {
    this.#called('abort', address)
    const known = this.records.get(this.#key(address, uid))
    if (known) this.#put(address, { ...known, state: 'aborted' })
  }

  async finish(address: string, uid: string, outcome: string) {
    this.#called(`finish ${outcome}`, address)
    const known = this.records.get(this.#key(address, uid))
    if (known) this.#put(address, { ...known, state: 'finished' })
  }

  async resolve(address: string, _uid: string, verdict: string) {
    this.#called(`resolve ${verdict}`, address)
  }

  async putNetwork(address: string, state: NetworkState) {
    this.#called('network', address)
    this.networks.set(this.#nodeOf(address), state)
  }

  async checkpoints(address: string) {
    if (this.fault(`checkpoints ${this.#nodeOf(address)}`)) return 'unreachable' as const
    return this.checkpointsOn.get(this.#nodeOf(address)) ?? []
  }

  async removeCheckpoint(address: string, uid: string) {
    this.#called(`remove checkpoint ${uid}`, address)
    const node = this.#nodeOf(address)
    this.checkpointsOn.set(node, this.checkpointsOn.get(node)?.filter((kept) => kept.uid !== uid) ?? [])
  }

  #called(what: string, address: string): void {
    const call = `${what} ${this.#nodeOf(address)}`
    const error = this.fault(call)
    if (error) throw error
    this.calls.push(call)
  }

  #put(address: string, known: MoveRecord): void {
    this.records.set(this.#key(address, known.uid), known)
  }

  #key(address: string, uid: string): string {
    return `${this.#nodeOf(address)} ${uid}`
  }
}

function stepsAt(node: string, steps: readonly MoveStep[]): MoveRecord['steps'] {
  return steps.map((step) => ({ step, atMs: Date.now(), node }))
}
