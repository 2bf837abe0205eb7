// The destination's part of a move: awaiting, holding, restoring to the gates, committing, giving up.
import { rm } from 'node:fs/promises'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AwaitRequest } from '../../api/agent-wire.ts'
import { CodedError, messageOf } from '../../runtime/errors.ts'
import { log } from '../../runtime/log.ts'
import { collectAhead } from '../collect-ahead.ts'
import { type AgentContext, moveFolders } from '../context.ts'
import { discard } from '../criu/received-container.ts'
import { nowMs } from '../moves.ts'
import type { Arm, ArmRestore, Committed, Outcome, Rearm, Restored, SocketOptions, Standing, Steps, Stores } from '../peer/wire.ts'
import { review } from '../priority.ts'
import { outcomeOf } from '../protocol/destination.ts'
import type { DestinationMove, Failure } from '../protocol/move.ts'
import { AwaitedPod } from './awaited-pod.ts'
import { Inbox } from './inbox.ts'
import { Release } from './release.ts'
import { Restores } from './restores.ts'

/** How long the gates wait for the grant when the source does not say. */
const defaultGrantWaitMs = 15_000
const standingPollMs = 50
/** A source that hears of a failure here unlocks the pod in a tenth of it. */
const sourceTakesWithinMs = 2000
/** Of the flows that are missing: enough to find them. */
const namedFlows = 5

export class Receiver {
  readonly #context: AgentContext
  readonly #uid: string
  readonly inbox: Inbox
  readonly #restores: Restores
  #heldAtMs: number | undefined
  /** The source has said that it goes on. */
  #sourceTakes = new AbortController()
  #deadline: NodeJS.Timeout | undefined
  #awaited: AwaitedPod | undefined
  #release: Release | undefined
  #givingUp: Promise<void> | undefined

  constructor(context: AgentContext, uid: string) {
    this.#context = context
    this.#uid = uid
    this.inbox = new Inbox(context, () => this.#pod)
    this.#restores = new Restores(context, uid, () => this.#pod)
  }

  get #move(): DestinationMove {
    return this.#context.moves.destination(this.#uid)
  }

  get #request(): AwaitRequest {
    const { request } = this.#move
    if (!request) throw new CodedError('NeverAwaited', `Receiving migration ${this.#uid}: this node was never told to await it`)
    return request
  }

  get #pod(): AwaitedPod {
    this.#awaited ??= new AwaitedPod(this.#context.config, this.#uid, this.#request)
    return this.#awaited
  }

  async announce(): Promise<void> {
    await this.#pod.announce()
    void this.watchStanding()
  }

  /** Until all stand-ins wait and the sandbox is attached, or the move ends. */
  async watchStanding(): Promise<void> {
    while (this.#move.state === 'awaiting') {
      if ((await this.#pod.missing()) === undefined && this.#move.state === 'awaiting') {
        this.#context.moves.decideDestination(this.#uid, { type: 'standing' })
        return
      }
      await new Promise((resolve) => setTimeout(resolve, standingPollMs).unref())
    }
  }

  async standing(podUid: string): Promise<Standing> {
    this.inbox.podUid = podUid
    if (this.#move.state === 'awaiting') {
      const missing = await this.#pod.missing()
      if (missing !== undefined) return { standing: false, missing, bundles: {} }
      if (this.#move.state === 'awaiting') this.#context.moves.decideDestination(this.#uid, { type: 'standing' })
    }
    const bundles = await this.inbox.bundles()
    return { standing: this.#move.state === 'standing', bundles }
  }

  async stores(): Promise<Stores> {
    return await this.#restores.startStores()
  }

  async armRestore(wish: ArmRestore): Promise<void> {
    await this.#restores.arm(wish)
  }

  async arm({ legs, openPorts, podUid }: Arm): Promise<Steps> {
    this.inbox.podUid = podUid
    const { network, moves } = this.#context
    await network.arm({ uid: this.#uid, ips: this.#pod.pod.ips, legs, openPorts })
    moves.step(this.#uid, 'armed')
    return { steps: this.#move.steps }
  }

  async rearm(change: Rearm): Promise<void> {
    await this.#context.network.rearm({ uid: this.#uid, ips: this.#pod.pod.ips, change })
  }

  /** The decision is on disk before the hold begins, so that the hold does not wait for the disk. */
  async prepareHold(): Promise<void> {
    collectAhead(this.#context.moves, this.#uid)
    if (this.#move.state === 'standing') this.#context.moves.decideDestination(this.#uid, { type: 'hold' })
    const otherNodeIps = this.#request.source.nodeIps
    await this.#context.network.prepareHold({ uid: this.#uid, ips: this.#pod.pod.ips, attached: this.#pod.attached(), otherNodeIps })
  }

  async awaitNew(): Promise<void> {
    await this.#context.network.awaitNew({ uid: this.#uid, ips: this.#pod.pod.ips })
  }

  async hold(): Promise<Steps> {
    if (this.#move.state !== 'holding') this.#context.moves.decideDestination(this.#uid, { type: 'hold' })
    const { network, moves } = this.#context
    review(moves)
    await network.hold({ uid: this.#uid, ips: this.#pod.pod.ips, attached: this.#pod.attached() })
    moves.step(this.#uid, 'held')
    return { steps: this.#move.steps }
  }

  /** All containers side by side, to their gates. */
  async restore(options: readonly SocketOptions[] = []): Promise<Restored> {
    const { moves, network } = this.#context
    moves.decideDestination(this.#uid, { type: 'restore' })
    try {
      const missing = network.missingFlows({ uid: this.#uid, ips: this.#pod.pod.ips })
      missing.catch(() => undefined)
      const sockets = await this.#restores.toGates(options)
      moves.decideDestination(this.#uid, { type: 'held' })
      this.awaitGrant(defaultGrantWaitMs)
      return { sockets, missingFlows: (await missing).slice(0, namedFlows), steps: this.#move.steps }
    } catch (error) {
      await this.fail(error)
      throw error
    }
  }

  awaitGrant(waitMs = defaultGrantWaitMs): void {
    this.#heldAtMs = nowMs()
    clearTimeout(this.#deadline)
    this.#deadline = setTimeout(
      () => void this.#carry(this.#context.moves.decideDestination(this.#uid, { type: 'deadlinePassed' })),
      waitMs,
    )
  }

  /** The commit. From its record on nothing stops it; asked again it answers again. */
  async grant(deadlineMs: number): Promise<Committed> {
    const lost = this.#restores.containers.find(({ isLost }) => isLost)
    const actions = this.#context.moves.decideDestination(
      this.#uid,
      lost ? { type: 'failed', failure: lostAtGate(lost.name) } : { type: 'grant', heldAtMs: this.#heldAtMs, deadlineMs },
    )
    if (outcomeOf(this.#move) !== 'committed') {
      void this.#carry(actions)
      throw new CodedError(
        'NeverCommitted',
        this.#move.failure?.message ?? `Granting migration ${this.#uid}: the destination is ${this.#move.state}`,
      )
    }
    clearTimeout(this.#deadline)
    return await this.release()
  }

  release(): Promise<Committed> {
    this.#release ??= new Release(this.#context, this.#uid, this.#pod, () => this.#restores.containers)
    return this.#release.run()
  }

  /** Final in both directions: what did not commit until now never will. */
  outcome(): Outcome {
    const actions = this.#context.moves.decideDestination(this.#uid, { type: 'outcomeAsked' })
    void this.#carry(actions)
    const move = this.#move
    return {
      outcome: outcomeOf(move) === 'committed' ? 'committed' : 'never',
      ...(move.failure ? { failure: move.failure } : {}),
      steps: move.steps,
    }
  }

  /** The source goes on, and what waits here for the pod can be given back. */
  async sourceAborts(reason: string): Promise<void> {
    this.#sourceTakes.abort()
    await this.abort(reason)
  }

  /** Whoever else says it does not know whether the source has its routes back: what is given back before is lost. */
  async abort(reason: string): Promise<void> {
    await this.#carry(this.#context.moves.decideDestination(this.#uid, { type: 'abort', reason }))
  }

  async fail(error: unknown): Promise<void> {
    const code = error instanceof CodedError ? error.code : 'ReceiveFailed'
    await this.#carry(this.#context.moves.decideDestination(this.#uid, { type: 'failed', failure: { code, message: messageOf(error) } }))
  }

  async finish(outcome: 'committed' | 'aborted'): Promise<void> {
    if (outcome === 'aborted') this.#sourceTakes.abort()
    await this.#carry(this.#context.moves.decideDestination(this.#uid, { type: 'finish', outcome }))
  }

  async restarted(): Promise<void> {
    // The source saw the connections of the last life end.
    this.#sourceTakes.abort()
    await this.#carry(this.#context.moves.decideDestination(this.#uid, { type: 'restarted' }))
  }

  /** It ends with the pod. */
  keepStream(stream: Duplex): void {
    if (this.#move.state === 'aborted') throw new CodedError('GivenUp', `Receiving migration ${this.#uid}: this node has given it up`)
    this.inbox.keep(stream)
  }

  async #carry(actions: readonly string[]): Promise<void> {
    for (const action of actions) {
      if (action === 'giveUp') await this.#giveUp()
      else if (action === 'release') await this.release()
      else if (action === 'awaitGrant') this.awaitGrant()
      else if (action === 'watchStanding') void this.watchStanding()
      else if (action === 'cleanUp') await this.#cleanUp()
    }
  }

  #giveUp(): Promise<void> {
    this.#givingUp ??= this.#doGiveUp().catch((error: unknown) => {
      this.#givingUp = undefined
      log.error({ uid: this.#uid, err: error }, 'giving a received pod up failed; it is tried again')
      setTimeout(() => void this.#giveUp(), 5000).unref()
    })
    return this.#givingUp
  }

  async #doGiveUp(): Promise<void> {
    const { moves, config } = this.#context
    clearTimeout(this.#deadline)
    this.inbox.close()
    this.#restores.close()
    const { request } = this.#move
    if (request) {
      const givenBack = this.#giveTrafficBack(request)
      // The pod runs again: what waits for it comes first.
      if (this.#sourceTakes.signal.aborted) await givenBack.catch(() => undefined)
      await Promise.all([...request.pod.containers.map((name) => discard(this.#pod.folders(name))), givenBack])
      await this.#pod.revoke()
    }
    // The work folder with criu's log stays until the controller has finished the move: somebody may want to read why.
    await rm(moveFolders(config, this.#uid, 'destination').images, { recursive: true, force: true })
    moves.step(this.#uid, 'undone')
    moves.settled(this.#uid)
    review(moves)
  }

  /** Where the pod has thawed, or soon will: what is given back to a locked namespace is lost. */
  async #giveTrafficBack({ source }: AwaitRequest): Promise<void> {
    const isHeld = this.#move.steps.some(({ step }) => step === 'held')
    if (isHeld) await sleep(sourceTakesWithinMs, undefined, { signal: this.#sourceTakes.signal }).catch(() => undefined)
    await this.#context.network.undo({ uid: this.#uid, role: 'destination', otherNodeIps: source.nodeIps })
  }

  async #cleanUp(): Promise<void> {
    const { network, moves } = this.#context
    if (this.#move.committed) await network.settle(this.#uid)
    await this.#removeFolders()
    moves.settled(this.#uid)
  }

  async #removeFolders(): Promise<void> {
    const { images, work } = moveFolders(this.#context.config, this.#uid, 'destination')
    await Promise.all([images, work].map((folder) => rm(folder, { recursive: true, force: true })))
  }
}

/** criu, the stand-in or the container was killed between restore and grant: to commit now would be to lose the pod. */
function lostAtGate(container: string): Failure {
  return {
    code: 'RestoreLost',
    message: `Receiving: the restore of container ${container} ended at the gate (criu or the store of its memory was killed?): try again`,
  }
}
