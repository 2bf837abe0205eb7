// What waits for a committed pod is let in, whatever that takes: the pod lives here now, so it is tried for as long as it exists.
import { trafficHeld } from '../../api/names.ts'
import { type Backoff, backoffMs } from '../../runtime/backoff.ts'
import { type Clock, realClock } from '../../runtime/clock.ts'
import { messageOf } from '../../runtime/errors.ts'
import { log } from '../../runtime/log.ts'
import { heldPods } from '../../runtime/metrics.ts'
import type { AgentContext } from '../context.ts'
import type { AwaitedPod } from './awaited-pod.ts'

/** Packets wait: at first soon again. */
const again: Backoff = { baseMs: 400, maxMs: 30_000 }

export class HeldTraffic {
  readonly #context: Pick<AgentContext, 'network' | 'moves' | 'config'>
  readonly #uid: string
  readonly #pod: AwaitedPod
  readonly #clock: Clock

  constructor(context: Pick<AgentContext, 'network' | 'moves' | 'config'>, uid: string, pod: AwaitedPod, clock = realClock) {
    this.#context = context
    this.#uid = uid
    this.#pod = pod
    this.#clock = clock
  }

  /** Once. false: the sandbox is gone, and what waited with it. */
  async letIn(): Promise<boolean> {
    if (!this.#pod.isAttached) return false
    const { network, moves } = this.#context
    const isIn = await network.release({ uid: this.#uid, ips: this.#pod.pod.ips, attached: this.#pod.attached() })
    if (isIn) moves.step(this.#uid, 'released')
    return isIn
  }

  /** Resolves when it is in, or when there is no pod any more. */
  async untilIn(): Promise<void> {
    heldPods.inc()
    try {
      for (let failures = 0; !(await this.#isOver(failures)); failures++)
        await this.#clock.sleep(backoffMs(failures + 1, again, Math.random()))
    } finally {
      heldPods.dec()
    }
  }

  async #isOver(failures: number): Promise<boolean> {
    try {
      await this.letIn()
      return true
    } catch (error) {
      log.error({ uid: this.#uid, failures: failures + 1, err: error }, 'the traffic of a committed pod could not be let in')
      if (failures === 0) this.#context.moves.warn(this.#uid, this.#warning(messageOf(error)))
      return false
    }
  }

  #warning(reason: string): string {
    return `${trafficHeld}: the pod lives on ${this.#context.config.nodeName}, and no packet reaches it, because letting them in failed (${reason}): it is tried until it is done`
  }
}
