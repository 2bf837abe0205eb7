// The destination's part of a move: awaiting, holding, restoring to the gates, committing, giving up.

import { existsSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AwaitRequest } from '../../api/agent-wire.ts'
import { CodedError, messageOf } from '../../runtime/errors.ts'
import { log } from '../../runtime/log.ts'
import { collectAhead } from '../collect-ahead.ts'
import { type AgentContext, moveFolders, podLogFolder } from '../context.ts'
import { treeOf } from '../criu/process-tree.ts'
import { ArmedRestore, discard, type ReceivedContainer, startStore } from '../criu/received-container.ts'
import { SocketReader } from '../criu/sockets.ts'
import { fillAhead, storeReady } from '../memory/store.ts'
import { nowMs } from '../moves.ts'
import type { Arm, ArmRestore, Committed, Outcome, Rearm, Restored, SocketOptions, Standing, Steps, Stores } from '../peer/wire.ts'
import { review } from '../priority.ts'
import { outcomeOf } from '../protocol/destination.ts'
import type { DestinationMove, Failure } from '../protocol/move.ts'
import { sharedMemoryFolder } from '../runc/state.ts'
import type { StorageRoot } from '../storage/transport.ts'
import type { ReceiveTarget } from '../transfer/image-receiver.ts'
import { AwaitedPod } from './awaited-pod.ts'
import { Release } from './release.ts'

/** How long the gates wait for the grant when the source does not say. */
const defaultGrantWaitMs = 15_000
const standingPollMs = 50
const describedTimeoutMs = 10_000
const describedPollMs = 5
/** A source that hears of a failure here unlocks the pod in a tenth of it. */
const sourceTakesWithinMs = 2000
/** Of the flows that are missing: enough to find them. */
const namedFlows = 5

export class Receiver {
  readonly #context: AgentContext
  readonly #uid: string
  #armed: ArmedRestore[] = []
  #containers: ReceivedContainer[] = []
  #lazy = false
  #sockets: SocketReader | undefined
  #podUid: string | undefined
  #sharedFolder: string | undefined
  #heldAtMs: number | undefined
  #restoring = new AbortController()
  /** The source has said that it goes on. */
  #sourceTakes = new AbortController()
  #deadline: NodeJS.Timeout | undefined
  #awaited: AwaitedPod | undefined
  #release: Release | undefined
  #givingUp: Promise<void> | undefined
  /** What the source sends into the pod. */
  readonly #streams = new Set<Duplex>()

  constructor(context: AgentContext, uid: string) {
    this.#context = context
    this.#uid = uid
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
    this.#podUid = podUid
    if (this.#move.state === 'awaiting') {
      const missing = await this.#pod.missing()
      if (missing !== undefined) return { standing: false, missing, bundles: {} }
      if (this.#move.state === 'awaiting') this.#context.moves.decideDestination(this.#uid, { type: 'standing' })
    }
    const bundles = await this.#pod.bundles()
    const [first] = Object.values(bundles)
    if (first !== undefined) this.#sharedFolder = await sharedMemoryFolder(first)
    return { standing: this.#move.state === 'standing', bundles }
  }

  /** One store for each container's memory, before any of it comes. */
  async stores(): Promise<Stores> {
    const started = await Promise.all(this.#pod.pod.containers.map((name) => startStore(this.#pod.folders(name))))
    return { available: started.every(Boolean), packed: true, later: true }
  }

  /** Everything about the restores that needs no images, done ahead of the freeze. */
  async armRestore({ lazy }: ArmRestore): Promise<void> {
    this.#lazy = lazy
    this.#sockets ??= new SocketReader(this.#context.config)
    const names = this.#pod.pod.containers
    await Promise.all(names.map((name) => untilDescribed(this.#pod.folders(name).images, this.#restoring.signal)))
    this.#armed = await Promise.all(names.map((name) => ArmedRestore.arm(name, this.#pod.folders(name), lazy, this.#restoring.signal)))
  }

  meetingOf(container: string): string {
    if (this.#pod.pod.containers.includes(container)) return this.#pod.folders(container).meeting
    throw new CodedError('UnknownContainer', `Receiving memory: "${container.slice(0, 80)}" is no container of this migration`)
  }

  async arm({ legs, openPorts, podUid }: Arm): Promise<Steps> {
    this.#podUid = podUid
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
    await this.#context.network.prepareHold({ uid: this.#uid, ips: this.#pod.pod.ips, attached: this.#pod.attached() })
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
    const { moves } = this.#context
    moves.decideDestination(this.#uid, { type: 'restore' })
    try {
      const names = this.#pod.pod.containers
      const reader = this.#sockets
      if (!reader) throw new CodedError('WrongState', `Restoring migration ${this.#uid}: its restores were never armed`)
      const missing = this.#context.network.missingFlows({ uid: this.#uid, ips: this.#pod.pod.ips })
      missing.catch(() => undefined)
      if (this.#lazy) await Promise.all(names.map((name) => storeReady(this.#pod.folders(name).meeting)))
      this.#containers = await Promise.all(this.#armed.map((armed) => armed.toGate(this.#restoring.signal)))
      moves.step(this.#uid, 'restored')
      if (this.#lazy) for (const name of names) void this.#fillAhead(name)
      const pids = (await Promise.all(this.#containers.map((container) => container.initPid()))).flatMap(treeOf)
      const { sockets, refused } = await reader.read(pids, options)
      if (refused.length > 0) moves.warn(this.#uid, `Socket options that ${this.#context.config.nodeName} refuses: ${refused.join('; ')}`)
      moves.decideDestination(this.#uid, { type: 'held' })
      this.awaitGrant(defaultGrantWaitMs)
      return { sockets, missingFlows: (await missing).slice(0, namedFlows), steps: this.#move.steps }
    } catch (error) {
      await this.fail(error)
      throw error
    }
  }

  /** Nothing depends on it: what is not filled now is when the pod runs. */
  async #fillAhead(name: string): Promise<void> {
    await fillAhead(this.#pod.folders(name).meeting).catch((error: unknown) =>
      log.warn({ uid: this.#uid, container: name, reason: messageOf(error) }, 'memory is not filled ahead'),
    )
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
    const lost = this.#containers.find(({ isLost }) => isLost)
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
    this.#release ??= new Release(this.#context, this.#uid, this.#pod, () => this.#containers)
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

  /** Ends with the pod: the source may be unable to say that it has stopped, and whoever still writes keeps containerd from removing the root. */
  keepStream(stream: Duplex): void {
    if (this.#move.state === 'aborted') throw new CodedError('GivenUp', `Receiving migration ${this.#uid}: this node has given it up`)
    this.#streams.add(stream)
    stream.once('close', () => this.#streams.delete(stream))
  }

  /** Where the images and logs of this move go. */
  receiveTarget(): ReceiveTarget {
    const { config } = this.#context
    const { pod } = this.#request
    const podUid = this.#podUid
    const logs = podUid === undefined ? undefined : podLogFolder(config, { ...pod, uid: podUid })
    return {
      containers: pod.containers,
      sharedFolder: () => {
        if (this.#sharedFolder !== undefined) return this.#sharedFolder
        throw new CodedError('NoSharedMemory', 'Receiving /dev/shm: the pod here has none of its own')
      },
      imageFolder: (container) => this.#pod.folders(container).images,
      logFile: (container) => {
        const file = logs && path.join(logs, container, '0.log')
        return file && existsSync(file) ? file : undefined
      },
    }
  }

  /** The source may only write into folders of the pod that is received here. */
  async checkRoot(root: StorageRoot): Promise<void> {
    if (root.kind === 'emptyDir' && root.podUid === this.#podUid) return
    if (root.kind === 'rootfs' && Object.values(await this.#pod.bundles()).includes(root.bundle)) return
    throw new CodedError('ForeignFolder', `Receiving files: the folder that the source named is not of this pod`)
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
    this.#restoring.abort(new Error('given up'))
    for (const stream of this.#streams) stream.destroy()
    const { request } = this.#move
    if (request) {
      this.#sockets?.cancel()
      for (const container of [...this.#armed, ...this.#containers]) container.close()
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

/** runc reads descriptors.json before it starts criu. */
async function untilDescribed(images: string, signal: AbortSignal): Promise<void> {
  const deadlineMs = performance.now() + describedTimeoutMs
  while (!isWholeJson(path.join(images, 'descriptors.json'))) {
    signal.throwIfAborted()
    if (performance.now() > deadlineMs)
      throw new CodedError('NoDescriptors', `Arming the restore: descriptors.json did not come within ${describedTimeoutMs / 1000} s`)
    await new Promise((resolve) => setTimeout(resolve, describedPollMs))
  }
}

function isWholeJson(file: string): boolean {
  try {
    JSON.parse(readFileSync(file, 'utf8'))
    return true
  } catch {
    return false
  }
}
