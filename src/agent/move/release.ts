// From the commit on: gates go, traffic in and processes on; then the pod is an ordinary one of this node, whatever its containers come to.
import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sourceLost } from '../../api/names.ts'
import { messageOf } from '../../runtime/errors.ts'
import { log } from '../../runtime/log.ts'
import { type AgentContext, moveFolders, restoredFolder } from '../context.ts'
import { endRestored, quitStandIn, type ReceivedContainer, reconnect } from '../criu/received-container.ts'
import { writeDurably } from '../journal/durable-file.ts'
import { toMB } from '../memory/megabytes.ts'
import { kernelAnswers, watchSource } from '../memory/source-signs.ts'
import { storeLocal } from '../memory/store.ts'
import { type Committed, GoesOn } from '../peer/wire.ts'
import { review, serveFirstMs } from '../priority.ts'
import type { DestinationMove } from '../protocol/move.ts'
import type { AwaitedPod } from './awaited-pod.ts'
import { HeldTraffic } from './held-traffic.ts'

const releaseTries = 5
const releaseAgainMs = 1000
const askSourceMs = 90_000
const askTimeoutMs = 2000

export class Release {
  readonly #context: AgentContext
  readonly #uid: string
  readonly #pod: AwaitedPod
  readonly #restored: () => readonly ReceivedContainer[]
  readonly #traffic: HeldTraffic
  /** Until it is in. */
  #held: Promise<void> | undefined
  #committing: Promise<Committed> | undefined
  #releaseTries = 0
  #isWatching = false
  readonly #local = new AbortController()
  readonly #sourceLost = new AbortController()
  readonly #left = new Map<string, number>()

  /** `restored`: those that this life of the agent brought to their gates; others are looked for. */
  constructor(context: AgentContext, uid: string, pod: AwaitedPod, restored: () => readonly ReceivedContainer[]) {
    this.#context = context
    this.#uid = uid
    this.#pod = pod
    this.#restored = restored
    this.#traffic = new HeldTraffic(context, uid, pod)
  }

  get #move(): DestinationMove {
    return this.#context.moves.destination(this.#uid)
  }

  /** Gates go, queued packets in and processes on, beside each other. Idempotent: after a restart it does what is left. */
  run(): Promise<Committed> {
    this.#committing ??= this.#once().catch((error: unknown) => {
      this.#committing = undefined
      this.#releaseAgain(error)
      throw error
    })
    return this.#committing
  }

  /** From here the pod lives on this node whatever happens to its containers: what fails is a crash of the pod here, as on any node. */
  async #once(): Promise<Committed> {
    const { moves } = this.#context
    moves.step(this.#uid, 'committed')
    const connected = await this.#each(this.#pod.pod.containers, async (name) => await this.#connected(name))
    const closed = new Set<string>()
    const open = await this.#each(connected, async (container) => {
      // Its gate ended before it opened: criu was killed, and its sockets are still in repair, where answers go nowhere.
      await container.openGate().catch((error: unknown) => {
        if (container.isLost) closed.add(container.name)
        throw error
      })
      return container
    })
    moves.step(this.#uid, 'socketsLive')
    // Beside each other: while the kernel carries all that waited into the sockets, packet by packet, the first answers leave.
    await Promise.all([this.#letTrafficIn(connected.length > 0), this.#each(open, async (container) => await container.resume())])
    moves.step(this.#uid, 'resumed')
    review(moves)
    this.#becomeLive(open, closed).catch((error: unknown) => log.error({ uid: this.#uid, err: error }, 'settling a committed move failed'))
    return this.#committed()
  }

  /** The pod is here, so it is tried beside all that follows. Where nothing of it is, as after a reboot, that is for the whole to answer. */
  async #letTrafficIn(isHere: boolean): Promise<void> {
    if (!isHere && !(await this.#traffic.letIn())) throw new Error('neither containers nor a sandbox of the pod are left')
    if (isHere)
      await this.#traffic.letIn().catch(() => {
        this.#held = this.#traffic.untilIn()
      })
  }

  /** The commit stands, so it is finished: again, and at last without what cannot be had, as when the pod was deleted meanwhile. */
  #releaseAgain(error: unknown): void {
    const { moves } = this.#context
    log.error({ uid: this.#uid, err: error, tries: ++this.#releaseTries }, 'releasing a committed pod failed')
    if (this.#releaseTries < releaseTries) setTimeout(() => void this.run().catch(() => undefined), releaseAgainMs).unref()
    else if (this.#move.state === 'committed') {
      moves.warn(this.#uid, `Releasing the pod after the commit failed: ${messageOf(error)}`)
      void this.#liveAfresh()
    }
  }

  /**
   * Nothing of the restore is left, as after a reboot of this node: a crash of the pod here, so kubelet may start its containers anew. But the
   * source may have been told that this node is gone for good; then the pod is there, and this one only waits for its deletion.
   */
  async #liveAfresh(): Promise<void> {
    if (!(await this.#sourceGoesOn())) {
      await this.#each(this.#pod.pod.containers, async (name) => await this.#startAfresh(name))
      await this.#traffic.untilIn()
    }
    if (this.#move.state === 'committed') this.#context.moves.decideDestination(this.#uid, { type: 'live' })
  }

  /** A source that says nothing for so long is taken for one that is gone. */
  async #sourceGoesOn(): Promise<boolean> {
    const peer = this.#context.peers.to(this.#pod.source.address)
    const untilMs = performance.now() + askSourceMs
    while (performance.now() < untilMs) {
      try {
        return (await peer.call(`/v1/peer/${this.#uid}/goes-on`, {}, GoesOn, { timeoutMs: askTimeoutMs })).goesOn
      } catch (error) {
        log.warn({ uid: this.#uid, reason: messageOf(error) }, 'asking whether the source goes on failed')
        await sleep(releaseAgainMs)
      }
    }
    return false
  }

  /** Side by side; those that fail are noted, and the others go on. */
  async #each<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
    const results = await Promise.allSettled(items.map(work))
    for (const result of results) {
      if (result.status === 'rejected') this.#context.moves.warn(this.#uid, `After the commit: ${messageOf(result.reason)}`)
    }
    return results.filter((result) => result.status === 'fulfilled').map((result) => result.value)
  }

  async #becomeLive(containers: readonly ReceivedContainer[], closed: ReadonlySet<string>): Promise<void> {
    const { moves, config } = this.#context
    await sleep(serveFirstMs)
    const settled = await this.#each(containers, async (container) => {
      await container.settle()
      await this.#untilLocal(container.name)
      return container.name
    }).finally(() => this.#local.abort())
    const ended = this.#pod.pod.containers.filter((name) => !settled.includes(name))
    await Promise.all(ended.map((name) => this.#startAfresh(name, closed.has(name))))
    await this.#held
    moves.decideDestination(this.#uid, { type: 'live' })
    await rm(moveFolders(config, this.#uid, 'destination').images, { recursive: true, force: true })
  }

  /** The stores are told when what they lack cannot come. */
  async #watchSource(): Promise<void> {
    if (this.#isWatching) return
    this.#isWatching = true
    const { address, nodeName } = this.#pod.source
    const signs = { kernelAnswers: () => kernelAnswers(address), lease: () => this.#context.lease(nodeName) }
    const isLost = await watchSource(signs, this.#local.signal)
    if (!isLost) return
    log.warn({ uid: this.#uid, node: nodeName }, 'the node that still has memory of the pod is lost')
    this.#sourceLost.abort()
  }

  /** Its memory is its own: no page waits in the store, so that the next move, or the end of the store, finds a program like any other. */
  async #untilLocal(name: string): Promise<void> {
    const { moves } = this.#context
    const status = await storeLocal(this.#pod.folders(name).meeting, {
      onLeft: (bytes) => this.#noteLeft(name, bytes),
      lost: this.#sourceLost.signal,
    })
    if (!status || status.state === 'local') return
    const reason = status.reason ?? 'no reason given'
    const lost = `${sourceLost}: what stayed at the source of ${name} cannot come any more (${reason}): it is started anew here, as after a crash`
    moves.warn(this.#uid, status.sourceBytesLeft > 0 ? lost : `Filling the memory of ${name}: ${status.state} (${reason})`)
  }

  /** Of all containers together. */
  #noteLeft(name: string, bytes: number): void {
    this.#left.set(name, bytes)
    if (bytes > 0) this.#watchSource().catch((error: unknown) => log.error({ uid: this.#uid, err: error }, 'watching the source failed'))
    const atSourceMB = toMB([...this.#left.values()].reduce((sum, one) => sum + one, 0))
    if (atSourceMB === (this.#move.facts.atSourceMB ?? 0)) return
    this.#context.moves.facts(this.#uid, { atSourceMB })
  }

  /** Its state lived or never will: kubelet's next start of it must not find a stand-in that waits for us. */
  async #startAfresh(name: string, mayRun = false): Promise<void> {
    const marker = path.join(restoredFolder(this.#context.config, this.#pod.pod), name)
    await mkdir(path.dirname(marker), { recursive: true, mode: 0o700 })
    await writeDurably(marker, 'restored\n')
    const { meeting } = this.#pod.folders(name)
    if (mayRun)
      await endRestored(this.#context.config, meeting).catch((error: unknown) =>
        log.warn({ uid: this.#uid, err: error }, 'ending a restored container failed'),
      )
    await quitStandIn(meeting)
  }

  async #connected(name: string): Promise<ReceivedContainer> {
    return this.#restored().find((container) => container.name === name) ?? (await reconnect(name, this.#pod.folders(name)))
  }

  #committed(): Committed {
    const steps = this.#move.steps
    const at = (step: string): number | undefined => steps.find((one) => one.step === step)?.atMs
    const [held, released] = [at('held'), at('released')]
    return { steps, ...(held !== undefined && released !== undefined ? { holdMs: released - held } : {}) }
  }
}
