// The destination's part of a move in the simulation: the order of src/agent/move/receive.ts with the real decisions and the real journal.

import { type DestinationAction, type DestinationMessage, outcomeOf } from '../../src/agent/protocol/destination.ts'
import type { DestinationMove } from '../../src/agent/protocol/move.ts'
import type { AwaitRequest } from '../../src/api/agent-wire.ts'
import { trafficHeld } from '../../src/api/names.ts'
import { backoffMs } from '../../src/runtime/backoff.ts'
import { CodedError, messageOf } from '../../src/runtime/errors.ts'
import type { SimAgent } from './agent.ts'
import type { Image } from './hands.ts'

const defaultGrantWaitMs = 15_000
const standingPollMs = 250
const releaseTries = 5
const releaseAgainMs = 1000
const askSourceMs = 90_000
const askTimeoutMs = 2000
const sourceTakesWithinMs = 2000
const lookEveryMs = 50
const letInAgain = { baseMs: 400, maxMs: 30_000 }

export class SimReceiver {
  readonly #agent: SimAgent
  readonly #uid: string
  #heldAtMs: number | undefined
  #deadline = 0
  #committing: Promise<void> | undefined
  #givingUp: Promise<void> | undefined
  #releaseTries = 0
  /** What waits for the pod, until it is let in. */
  #held: Promise<void> | undefined
  #given = false
  /** The source has said that it goes on. */
  #sourceTakes = false

  constructor(agent: SimAgent, uid: string) {
    this.#agent = agent
    this.#uid = uid
  }

  get #move(): DestinationMove {
    return this.#agent.moves.destination(this.#uid)
  }

  get #request(): AwaitRequest {
    const { request } = this.#move
    if (!request) throw new CodedError('NeverAwaited', 'this node was never told to await it')
    return request
  }

  get #key(): string {
    return `${this.#request.pod.namespace}_${this.#request.pod.name}`
  }

  async announce(): Promise<void> {
    await this.#pause(0.5, 5)
    this.#agent.hands.announce(this.#key, this.#uid)
    this.#agent.background(this.#watchStanding())
  }

  async tell(message: DestinationMessage): Promise<void> {
    if (message.type === 'abort' || message.type === 'restarted' || (message.type === 'finish' && message.outcome === 'aborted'))
      this.#sourceTakes = true
    await this.#carry(this.#agent.tellDestination(this.#uid, message))
  }

  async #watchStanding(): Promise<void> {
    while (this.#move.state === 'awaiting') {
      if (this.#stands() && this.#move.state === 'awaiting') return void this.#agent.tellDestination(this.#uid, { type: 'standing' })
      await this.#agent.life.sleep(standingPollMs)
    }
  }

  #stands(): boolean {
    const awaited = this.#agent.hands.awaited(this.#key)
    return awaited?.attached === true && awaited.standIn?.status === 'waiting'
  }

  standing(): boolean {
    if (this.#move.state === 'awaiting') {
      if (!this.#stands()) return false
      this.#agent.tellDestination(this.#uid, { type: 'standing' })
    }
    return this.#move.state === 'standing'
  }

  async arm(): Promise<void> {
    await this.#pause(1, 10)
    this.#agent.step(this.#uid, 'armed')
  }

  prepareHold(): void {
    if (this.#move.state === 'standing') this.#agent.tellDestination(this.#uid, { type: 'hold' })
  }

  async hold(): Promise<void> {
    if (this.#move.state !== 'holding') this.#agent.tellDestination(this.#uid, { type: 'hold' })
    await this.#pause(0.5, 4)
    if (!this.#agent.hands.awaited(this.#key)?.attached) throw new CodedError('NotAttached', 'the sandbox is not attached')
    this.#agent.hands.hold(this.#uid, this.#request.pod.ips[0] ?? '')
    this.#agent.step(this.#uid, 'held')
  }

  async images(): Promise<void> {
    await this.#pause(1, 40)
    this.#agent.hands.addImages(`${this.#uid}-destination`)
  }

  async restore(image: Image): Promise<void> {
    const { hands, dice } = this.#agent
    this.#agent.tellDestination(this.#uid, { type: 'restore' })
    try {
      hands.beginRestore(this.#key)
      await this.#pause(20, dice.chance(0.05) ? 600 : 120)
      // The way back closed this attempt meanwhile.
      if (this.#given) throw new CodedError('RestoreFailed', 'given up')
      if (dice.chance(0.02)) throw new CodedError('RestoreFailed', 'criu restore exited 1')
      hands.restore(this.#key, image)
      this.#agent.step(this.#uid, 'restored')
      await this.#pause(0.5, 5)
      this.#agent.tellDestination(this.#uid, { type: 'held' })
      this.#awaitGrant(defaultGrantWaitMs)
    } catch (error) {
      await this.#fail(error)
      throw error
    }
  }

  #awaitGrant(waitMs = defaultGrantWaitMs): void {
    this.#heldAtMs = this.#agent.life.monotonicMs()
    const mine = ++this.#deadline
    this.#agent.life.after(waitMs, () => {
      if (mine === this.#deadline) this.#agent.background(this.tell({ type: 'deadlinePassed' }))
    })
  }

  async grant(deadlineMs: number): Promise<void> {
    const actions = this.#agent.tellDestination(this.#uid, { type: 'grant', heldAtMs: this.#heldAtMs, deadlineMs })
    if (outcomeOf(this.#move) !== 'committed') {
      this.#agent.background(this.#carry(actions))
      throw new CodedError('NeverCommitted', this.#move.failure?.message ?? 'never')
    }
    this.#deadline++
    await this.release()
  }

  release(): Promise<void> {
    this.#committing ??= this.#release().catch((error: unknown) => {
      this.#committing = undefined
      this.#releaseAgain(error)
      throw error
    })
    return this.#committing
  }

  outcome(): 'committed' | 'never' {
    this.#agent.background(this.#carry(this.#agent.tellDestination(this.#uid, { type: 'outcomeAsked' })))
    return outcomeOf(this.#move) === 'committed' ? 'committed' : 'never'
  }

  async #fail(error: unknown): Promise<void> {
    const code = error instanceof CodedError ? error.code : 'ReceiveFailed'
    await this.tell({ type: 'failed', failure: { code, message: messageOf(error) } })
  }

  async #carry(actions: readonly DestinationAction[]): Promise<void> {
    for (const action of actions) {
      if (action === 'giveUp') await this.#giveUp()
      else if (action === 'release') await this.release()
      else if (action === 'awaitGrant') this.#awaitGrant()
      else if (action === 'watchStanding') this.#agent.background(this.#watchStanding())
      else if (action === 'cleanUp') await this.#cleanUp()
    }
  }

  async #release(): Promise<void> {
    const { hands } = this.#agent
    this.#agent.step(this.#uid, 'committed')
    await this.#pause(0.5, 3)
    const open = this.#noted(() => hands.openGate(this.#key))
    await this.#pause(0.5, 3)
    this.#agent.step(this.#uid, 'socketsLive')
    // Beside each other in the agent; this is the order in which a failure leaves most behind.
    const resumed = open && this.#noted(() => hands.resume(this.#key))
    await this.#pause(0.2, 2)
    if (!hands.awaited(this.#key)?.attached) throw new CodedError('NotAttached', 'the sandbox is not attached')
    if (!this.#letIn()) this.#held = this.#untilIn()
    this.#agent.step(this.#uid, 'resumed')
    void this.#becomeLive(resumed === true).catch((error: unknown) => this.#agent.say(`settling failed: ${messageOf(error)}`))
  }

  #letIn(): boolean {
    const { hands, moves } = this.#agent
    // The pod is gone, and what waited with it.
    if (!hands.awaited(this.#key)?.attached) return true
    try {
      hands.release(this.#uid)
      this.#agent.step(this.#uid, 'released')
      return true
    } catch (error) {
      moves.warn(this.#uid, `${trafficHeld}: ${messageOf(error)}`)
      return false
    }
  }

  async #untilIn(): Promise<void> {
    for (let failures = 0; !this.#letIn(); failures++)
      await this.#agent.life.sleep(backoffMs(failures + 1, letInAgain, this.#agent.dice.between(0, 1)))
  }

  /** After the commit a failure is a crash of the pod here: noted, and the others go on. */
  #noted(work: () => void): boolean {
    try {
      work()
      return true
    } catch (error) {
      this.#agent.moves.warn(this.#uid, `After the commit: ${messageOf(error)}`)
      return false
    }
  }

  #releaseAgain(error: unknown): void {
    this.#agent.say(`releasing ${this.#uid} failed: ${messageOf(error)}`)
    if (++this.#releaseTries < releaseTries) this.#agent.life.after(releaseAgainMs, () => void this.release().catch(() => undefined))
    else if (this.#move.state === 'committed') this.#agent.background(this.#liveAfresh())
  }

  async #liveAfresh(): Promise<void> {
    if (!(await this.#sourceGoesOn())) {
      this.#agent.hands.startAfresh(this.#key)
      await this.#untilIn()
    }
    if (this.#move.state === 'committed') this.#agent.tellDestination(this.#uid, { type: 'live' })
  }

  async #sourceGoesOn(): Promise<boolean> {
    const { life } = this.#agent
    const untilMs = life.monotonicMs() + askSourceMs
    while (life.monotonicMs() < untilMs) {
      try {
        return await this.#agent.askPeer<boolean>(this.#request.source.address, this.#uid, 'goesOn', askTimeoutMs)
      } catch {
        await life.sleep(releaseAgainMs)
      }
    }
    return false
  }

  async #becomeLive(resumed: boolean): Promise<void> {
    const { hands } = this.#agent
    await this.#pause(1, 20)
    if (!resumed) hands.startAfresh(this.#key)
    await this.#held
    this.#agent.tellDestination(this.#uid, { type: 'live' })
    hands.removeImages(`${this.#uid}-destination`)
  }

  #giveUp(): Promise<void> {
    this.#givingUp ??= this.#doGiveUp().catch((error: unknown) => {
      this.#givingUp = undefined
      this.#agent.say(`giving up ${this.#uid} failed: ${messageOf(error)}`)
      this.#agent.life.after(5000, () => this.#agent.background(this.#giveUp()))
    })
    return this.#givingUp
  }

  async #doGiveUp(): Promise<void> {
    const { hands } = this.#agent
    this.#deadline++
    this.#given = true
    if (this.#move.request) {
      await Promise.all([this.#discard(), this.#giveTrafficBack()])
      hands.removeAwaited(this.#key)
    }
    hands.removeImages(`${this.#uid}-destination`)
    this.#agent.step(this.#uid, 'undone')
    this.#agent.settled(this.#uid)
  }

  async #discard(): Promise<void> {
    await this.#pause(1, 30)
    this.#agent.hands.discard(this.#key)
  }

  async #giveTrafficBack(): Promise<void> {
    const isHeld = this.#move.steps.some(({ step }) => step === 'held')
    for (let waitedMs = 0; isHeld && !this.#sourceTakes && waitedMs < sourceTakesWithinMs; waitedMs += lookEveryMs)
      await this.#agent.life.sleep(lookEveryMs)
    await this.#pause(1, 5)
    this.#agent.hands.undoNetwork(this.#uid)
  }

  async #cleanUp(): Promise<void> {
    const { hands } = this.#agent
    if (this.#move.committed) hands.settleNetwork(this.#uid)
    await this.#pause(0.5, 5)
    hands.removeImages(`${this.#uid}-destination`)
    this.#agent.settled(this.#uid)
  }

  #pause(lowMs: number, highMs: number): Promise<void> {
    return this.#agent.life.sleep(this.#agent.dice.between(lowMs, highMs))
  }
}
