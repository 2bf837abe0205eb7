// The source's part of a move in the simulation: the order of src/agent/move/{source,send}.ts with the real decisions and the real journal.

import type { SourceMove } from '../../src/agent/protocol/move.ts'
import { isToBeUndone, type SourceAction, type SourceMessage } from '../../src/agent/protocol/source.ts'
import { type MoveRequest } from '../../src/api/agent-wire.ts'
import { CodedError, messageOf } from '../../src/runtime/errors.ts'
import type { SimAgent } from './agent.ts'
import type { Image } from './hands.ts'

const standingTimeoutMs = 120_000
const standingPollMs = 250
const grantDeadlineMs = 5000
const callTimeoutMs = 10_000
const askTimeoutMs = 2000
const tellPeerTimeoutMs = 2000
const tellDestinationMs = 20_000
const tellHomeMs = 10 * 60 * 1000
const askEveryMs = { first: 100, longest: 5000 }

export class SimSource {
  readonly #agent: SimAgent
  readonly #uid: string
  #stop = new AbortController()
  #running: Promise<void> | undefined
  #rollingBack: Promise<void> | undefined
  #asking = false

  constructor(agent: SimAgent, uid: string) {
    this.#agent = agent
    this.#uid = uid
  }

  get #move(): SourceMove {
    return this.#agent.moves.source(this.#uid)
  }

  get #request(): MoveRequest {
    return this.#move.request
  }

  start(): void {
    this.#running ??= this.#run()
    this.#agent.background(this.#running)
  }

  async tell(message: SourceMessage): Promise<void> {
    await this.#carry(this.#agent.tellSource(this.#uid, message))
  }

  async #run(): Promise<void> {
    try {
      await this.#moveIt()
      this.#running = undefined
      if (isToBeUndone(this.#move)) await this.#rollBack()
    } catch (error) {
      this.#agent.say(`move of ${this.#uid} failed: ${messageOf(error)}`)
      this.#running = undefined
      const failure = { code: error instanceof CodedError ? error.code : 'MoveFailed', message: messageOf(error) }
      await this.#carry(this.#agent.tellSource(this.#uid, { type: 'failed', failure }))
    }
  }

  async #carry(actions: readonly SourceAction[]): Promise<void> {
    for (const action of actions) {
      if (action === 'rollBack') await this.#rollBack()
      else if (action === 'askOutcome') this.#agent.background(this.#askOutcome())
      else if (action === 'endSource') await this.#endSource()
      else if (action === 'cleanUp') await this.#cleanUp()
    }
  }

  async #moveIt(): Promise<void> {
    const { hands } = this.#agent
    const { pod } = this.#request
    await this.#prepare()
    await this.#handOver()
    const frozenAtMs = await this.#freeze()
    const image = await this.#capture(frozenAtMs)
    await this.#withinBudget(frozenAtMs, this.#call('restore', this.#request.freezeWindowBudgetMs + callTimeoutMs, image))
    await this.#pause(1, 5)
    if (this.#agent.dice.chance(0.01)) throw new CodedError('ConnectionsLost', 'Verifying: a connection is missing')
    if (!hands.isFrozen(pod.uid)) throw new CodedError('SourceThawed', 'the source runs again')
    this.#agent.step(this.#uid, 'verified')
    await this.#grant(frozenAtMs)
  }

  async #prepare(): Promise<void> {
    const { hands } = this.#agent
    const { pod } = this.#request
    await this.#untilStanding()
    this.#agent.tellSource(this.#uid, { type: 'proceed', to: 'moving' })
    hands.addImages(`${this.#uid}-source`)
    await this.#pause(50, 1500)
    this.#agent.step(this.#uid, 'presync')
    await this.#call('arm')
    this.#agent.step(this.#uid, 'armed')
    hands.writeMarker(pod.uid, this.#uid)
    await this.#pause(1, 5)
    this.#agent.tellSource(this.#uid, { type: 'freeze' })
    await this.#call('prepareHold')
  }

  async #untilStanding(): Promise<void> {
    const endMs = this.#agent.life.monotonicMs() + standingTimeoutMs
    for (;;) {
      this.#stop.signal.throwIfAborted()
      if (await this.#call<boolean>('standing')) return
      if (this.#agent.life.monotonicMs() > endMs) throw new CodedError('DestinationNotStanding', 'the destination does not stand')
      await this.#agent.life.sleep(standingPollMs)
    }
  }

  async #handOver(): Promise<void> {
    const { hands } = this.#agent
    await this.#call('hold')
    const { home } = this.#request
    if (home) await this.#agent.askPeer(home.address, this.#uid, 'divert', callTimeoutMs, undefined, this.#stop.signal)
    hands.divert(this.#uid, 'source')
    await this.#pause(1, 8)
    this.#agent.step(this.#uid, 'diverted')
    this.#stop.signal.throwIfAborted()
  }

  async #freeze(): Promise<number> {
    const { hands } = this.#agent
    const frozenAtMs = this.#agent.life.monotonicMs()
    hands.freeze(this.#request.pod.uid)
    await this.#pause(1, 10)
    this.#agent.step(this.#uid, 'frozen')
    hands.lock(this.#uid, this.#request.pod.uid)
    await this.#pause(1, 5)
    this.#agent.step(this.#uid, 'locked')
    this.#stop.signal.throwIfAborted()
    return frozenAtMs
  }

  async #capture(frozenAtMs: number): Promise<Image> {
    const { hands, dice } = this.#agent
    await this.#pause(20, dice.chance(0.05) ? 900 : 150)
    const image = hands.dump(this.#request.pod.uid)
    if (dice.chance(0.02)) throw new CodedError('DumpFailed', 'criu dump exited 1')
    this.#agent.step(this.#uid, 'dumped')
    await this.#withinBudget(frozenAtMs, this.#call('images', callTimeoutMs, image))
    this.#agent.step(this.#uid, 'transferred')
    if (!hands.isFrozen(this.#request.pod.uid)) throw new CodedError('SourceThawed', 'the source runs again')
    return image
  }

  async #grant(frozenAtMs: number): Promise<void> {
    this.#agent.tellSource(this.#uid, { type: 'verified', frozenAtMs, budgetMs: this.#request.freezeWindowBudgetMs })
    const { state, failure } = this.#move
    if (state !== 'granted') throw new CodedError(failure?.code ?? 'NotGranted', failure?.message ?? `Granting: the move is ${state}`)
    this.#agent.step(this.#uid, 'granted')
    await this.#agent.askPeer(this.#request.destination.address, this.#uid, 'grant', 20_000, grantDeadlineMs)
    this.#agent.tellSource(this.#uid, { type: 'outcome', outcome: 'committed' })
  }

  async #withinBudget<T>(frozenAtMs: number, work: Promise<T>): Promise<T> {
    const { life } = this.#agent
    const leftMs = this.#request.freezeWindowBudgetMs - (life.monotonicMs() - frozenAtMs)
    work.catch(() => undefined)
    const over = life.sleep(leftMs).then(() => {
      throw new CodedError('FreezeBudgetExceeded', 'the pod was frozen for longer than its budget')
    })
    over.catch(() => undefined)
    return await Promise.race([work, over])
  }

  async #rollBack(): Promise<void> {
    if (this.#running) return this.#stop.abort(new Error(this.#move.failure?.message ?? 'aborted'))
    this.#rollingBack ??= this.#undo().catch((error: unknown) => {
      this.#rollingBack = undefined
      this.#agent.say(`rolling back ${this.#uid} failed: ${messageOf(error)}`)
      this.#agent.life.after(1000, () => this.#agent.background(this.#rollBack()))
    })
    await this.#rollingBack
  }

  async #undo(): Promise<void> {
    const { hands } = this.#agent
    const { pod } = this.#request
    await this.#pause(1, 5)
    hands.unlock(this.#uid)
    await this.#pause(1, 5)
    hands.undoNetwork(this.#uid)
    this.#agent.background(this.#tellPeers())
    await this.#pause(1, 20)
    hands.thaw(pod.uid)
    this.#agent.step(this.#uid, 'thawed')
    await this.#pause(0.1, 2)
    hands.removeMarker(pod.uid)
    hands.removeImages(`${this.#uid}-source`)
    this.#agent.step(this.#uid, 'undone')
    this.#agent.settled(this.#uid)
  }

  async #tellPeers(): Promise<void> {
    const { home, destination } = this.#request
    if (home) this.#agent.background(this.#repeat(home.address, 'undivert', tellHomeMs))
    await this.#repeat(destination.address, 'abort', tellDestinationMs)
  }

  async #repeat(address: string, what: 'abort' | 'undivert' | 'settle', forMs: number): Promise<void> {
    const { life } = this.#agent
    const untilMs = life.monotonicMs() + forMs
    for (let tries = 1; life.monotonicMs() < untilMs; tries++) {
      try {
        return void (await this.#agent.askPeer(address, this.#uid, what, tellPeerTimeoutMs))
      } catch {
        await life.sleep(Math.min(200 * tries, 5000))
      }
    }
  }

  async #askOutcome(): Promise<void> {
    if (this.#asking) return
    this.#asking = true
    const { life } = this.#agent
    const sinceMs = life.monotonicMs()
    while (this.#move.state === 'granted') {
      const outcome = await this.#outcomeOfPeer()
      if (outcome && this.#move.state === 'granted') {
        this.#asking = false
        return await this.tell({ type: 'outcome', outcome })
      }
      const waitMs = Math.max(askEveryMs.first, (life.monotonicMs() - sinceMs) / 4)
      await life.sleep(Math.min(waitMs, askEveryMs.longest))
    }
    this.#asking = false
  }

  async #outcomeOfPeer(): Promise<'committed' | 'never' | undefined> {
    try {
      return await this.#agent.askPeer(this.#request.destination.address, this.#uid, 'outcome', askTimeoutMs)
    } catch {
      return undefined
    }
  }

  async #endSource(): Promise<void> {
    const { hands } = this.#agent
    await this.#pause(0.5, 5)
    hands.endSource(this.#request.pod.uid, this.#uid)
    this.#agent.step(this.#uid, 'sourceEnded')
    await this.#cleanUp()
  }

  async #cleanUp(): Promise<void> {
    const { hands } = this.#agent
    if (this.#move.committed) {
      hands.settleNetwork(this.#uid)
      const { home } = this.#request
      if (home) this.#agent.background(this.#repeat(home.address, 'settle', tellHomeMs))
    }
    await this.#pause(0.5, 5)
    hands.removeImages(`${this.#uid}-source`)
    this.#agent.settled(this.#uid)
  }

  #call<T = void>(what: Parameters<SimAgent['askPeer']>[2], timeoutMs = callTimeoutMs, body?: unknown): Promise<T> {
    return this.#agent.askPeer(this.#request.destination.address, this.#uid, what, timeoutMs, body, this.#stop.signal)
  }

  #pause(lowMs: number, highMs: number): Promise<void> {
    return this.#agent.life.sleep(this.#agent.dice.between(lowMs, highMs))
  }
}
