// The pod's flows through a move, on its source: surveyed, armed on both nodes, and followed until the pod can begin none any more.
import type { MoveRequest } from '../../api/agent-wire.ts'
import { CodedError, messageOf } from '../../runtime/errors.ts'
import { log } from '../../runtime/log.ts'
import type { AgentContext } from '../context.ts'
import { Nothing, Steps } from '../peer/wire.ts'
import type { FlowChange, Leg } from '../rooms.ts'
import type { DestinationAgent } from './destination-agent.ts'

export class MoveFlows {
  readonly #context: AgentContext
  readonly #uid: string
  readonly #request: MoveRequest
  readonly #destination: DestinationAgent
  #legs: Leg[] = []
  #sandboxPid = 0

  constructor(context: AgentContext, uid: string, request: MoveRequest, destination: DestinationAgent) {
    this.#context = context
    this.#uid = uid
    this.#request = request
    this.#destination = destination
  }

  async arm(sandboxPid: number): Promise<Steps> {
    this.#sandboxPid = sandboxPid
    const { pod, destination, tcpPreservationMode } = this.#request
    const { network, moves } = this.#context
    const survey = await network.survey(this.#surveyed())
    const refusing = survey.reasons.filter((reason) => tcpPreservationMode === 'Strict' || reason.blocking)
    if (refusing.length > 0) throw new CodedError(refusing[0]?.code ?? 'Refused', refusing.map(({ message }) => message).join('; '))
    for (const reason of survey.reasons) moves.warn(this.#uid, reason.message)
    this.#legs = tcpPreservationMode === 'None' ? [] : survey.legs
    await this.#reserve()
    // Here first: from the moment the destination translates too, this node gets packets that are translated already.
    await network.prepare({ uid: this.#uid, ips: pod.ips, legs: this.#legs })
    this.#report()
    return await this.#destination.call('arm', { legs: this.#legs, openPorts: survey.openPorts, podUid: destination.podUid }, Steps)
  }

  /** What began or ended since the last look; `locked`: the last one. */
  async follow(pod: 'running' | 'locked'): Promise<void> {
    if (this.#request.tcpPreservationMode === 'None') return
    const change = await this.#context.network.changedFlows({ uid: this.#uid, again: pod === 'running', ...this.#surveyed() })
    if (change.added.length === 0 && change.ended.length === 0) return
    const ended = new Set(change.ended)
    this.#legs = [...this.#legs.filter((leg) => !ended.has(leg)), ...change.added]
    this.#report()
    await this.#destination.call('rearm', change satisfies FlowChange, Nothing)
  }

  /** A new connection under such a port would only wait for the move's end: that is no reason to give the move up. */
  async #reserve(): Promise<void> {
    const { pod, destination, home } = this.#request
    const reserve = this.#legs.filter(({ sourceNat }) => sourceNat !== undefined)
    if (!home || reserve.length === 0) return
    const wish = { ips: pod.ips, destinationNodeIps: destination.nodeIps, reserve }
    await this.#context.peers
      .to(home.address)
      .call(`/v1/peer/${this.#uid}/divert`, wish, Nothing)
      .catch((error: unknown) => log.warn({ uid: this.#uid, home: home.nodeName, reason: messageOf(error) }, 'ports could not be reserved'))
  }

  #surveyed(): { ips: string[]; sandboxPid: number; podCidrs: string[]; serviceIps: string[] } {
    const { pod, podCidrs, serviceIps } = this.#request
    return { ips: pod.ips, sandboxPid: this.#sandboxPid, podCidrs, serviceIps }
  }

  #report(): void {
    const { nodeIps } = this.#request.destination
    const relayed = this.#legs.filter(({ relayThrough }) => relayThrough !== undefined && !nodeIps.includes(relayThrough))
    const translated = this.#legs.filter(({ destinationNat }) => destinationNat !== undefined)
    const relayedThrough = [...new Set(relayed.flatMap(({ relayThrough }) => relayThrough ?? []))].sort()
    const direct = this.#legs.length - relayed.length - translated.length
    this.#context.moves.facts(this.#uid, {
      flows: { direct, translated: translated.length, relayed: relayed.length, relayedThrough },
    })
  }
}
