// The destination's agent as the source speaks with it in one move: whatever it is asked, an abort of the move ends the asking.
import type { Duplex } from 'node:stream'
import type { z } from 'zod'
import type { MoveRequest } from '../../api/agent-wire.ts'
import { CodedError } from '../../runtime/errors.ts'
import type { Peer } from '../peer/client.ts'
import { Committed, Standing } from '../peer/wire.ts'

const standingTimeoutMs = 120_000
const standingPollMs = 50
/** How long a good destination needs from the grant to the commit's record, many times over. */
const grantDeadlineMs = 5000
const grantTimeoutMs = 20_000
const warmConnections = 3

export class DestinationAgent {
  readonly #peer: Peer
  readonly #uid: string
  readonly #destination: MoveRequest['destination']
  readonly #signal: AbortSignal

  constructor(peer: Peer, uid: string, destination: MoveRequest['destination'], signal: AbortSignal) {
    this.#peer = peer
    this.#uid = uid
    this.#destination = destination
    this.#signal = signal
  }

  async call<T>(what: string, body: unknown, schema: z.ZodType<T>, timeoutMs?: number): Promise<T> {
    return await this.#peer.call(this.#path(what), body, schema, {
      signal: this.#signal,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    })
  }

  /** A raw stream both ways. */
  async open(what: string): Promise<Duplex> {
    return await this.#peer.open(this.#path(what))
  }

  /** Opens connections ahead, so that no handshake falls into the freeze. */
  async warm(): Promise<void> {
    await this.#peer.warm(warmConnections, this.#path('standing'), { podUid: this.#destination.podUid })
  }

  /** Until the stand-ins wait there. */
  async standing(): Promise<Standing> {
    const { podUid, podName, nodeName } = this.#destination
    const deadlineMs = performance.now() + standingTimeoutMs
    for (;;) {
      this.#signal.throwIfAborted()
      const answer = await this.call('standing', { podUid }, Standing)
      if (answer.standing) return answer
      if (performance.now() > deadlineMs)
        throw new CodedError(
          'DestinationNotStanding',
          `Waiting for pod ${podName} on ${nodeName}: ${answer.missing ?? 'it does not stand'} after ${standingTimeoutMs / 1000} s: see its events`,
        )
      await new Promise((resolve) => setTimeout(resolve, standingPollMs))
    }
  }

  /** The one call that no abort ends: once it is on its way the destination may have committed. */
  async grant(): Promise<Committed> {
    return await this.#peer.call(this.#path('grant'), { deadlineMs: grantDeadlineMs }, Committed, { timeoutMs: grantTimeoutMs })
  }

  #path(what: string): string {
    return `/v1/peer/${this.#uid}/${what}`
  }
}
