// The network of a moving pod goes over to its destination: what can be prepared, new connections first, and then all packets.
import type { MoveRequest } from '../../api/agent-wire.ts'
import type { AgentContext } from '../context.ts'
import { Nothing, Steps } from '../peer/wire.ts'
import type { Diversion } from '../rooms.ts'
import type { DestinationAgent } from './destination-agent.ts'

/** A round trip round the world: new connections wait for it, and those that never answer are waited for as well. */
const handshakesMs = 300
/** Of those whose handshake takes longer. */
const namedPeers = 5

export class HandOver {
  readonly #context: AgentContext
  readonly #uid: string
  readonly #request: MoveRequest
  readonly #destination: DestinationAgent
  readonly #signal: AbortSignal

  constructor(context: AgentContext, uid: string, request: MoveRequest, destination: DestinationAgent, signal: AbortSignal) {
    this.#context = context
    this.#uid = uid
    this.#request = request
    this.#destination = destination
    this.#signal = signal
  }

  /** Changes nothing for the pod's packets. */
  async prepare(sandboxPid: number): Promise<void> {
    await Promise.all([this.#context.network.prepareDivert(this.#diversion(sandboxPid)), this.#divertHome({ ahead: true })])
  }

  /** Who has begun to connect is let in; who begins now waits for the other node. */
  async sendNewOn(sandboxPid: number): Promise<void> {
    const halfOpen = await this.#context.network.sendNewOn({ ...this.#diversion(sandboxPid), sandboxPid, withinMs: handshakesMs })
    const named = halfOpen.slice(0, namedPeers).join(', ')
    const warning = `Handshakes that took over ${handshakesMs} ms will be reset: ${halfOpen.length}, of ${named}`
    if (halfOpen.length > 0) this.#context.moves.warn(this.#uid, warning)
    this.#signal.throwIfAborted()
  }

  /** The peers' packets start to wait on the destination. Destination first, else routes loop. */
  async divert(sandboxPid: number): Promise<Steps> {
    const held = await this.#destination.call('hold', {}, Steps)
    await Promise.all([this.#divertHome(), this.#context.network.divert(this.#diversion(sandboxPid))])
    return held
  }

  async #divertHome(how: { ahead?: true } = {}): Promise<void> {
    const { pod, destination, home } = this.#request
    if (!home) return
    const wish = { ips: pod.ips, destinationNodeIps: destination.nodeIps, ...how }
    await this.#context.peers.to(home.address).call(`/v1/peer/${this.#uid}/divert`, wish, Nothing, { signal: this.#signal })
  }

  #diversion(sandboxPid: number): Diversion {
    const { pod, destination } = this.#request
    return { uid: this.#uid, ips: pod.ips, destinationNodeIps: destination.nodeIps, role: 'source', sandboxPid }
  }
}
