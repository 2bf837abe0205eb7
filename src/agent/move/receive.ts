// The destination's part of a move: awaiting, holding, restoring to the gates, committing, giving up.
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AwaitRequest } from '../../api/agent-wire.ts'
import { CodedError, messageOf } from '../../runtime/errors.ts'
import { log } from '../../runtime/log.ts'
import { type AgentContext, awaitedFolder, moveFolders, podLogFolder, restoredFolder } from '../context.ts'
import { treeOf } from '../criu/process-tree.ts'
import {
  ArmedRestore,
  type ContainerFolders,
  discard,
  endRestored,
  quitStandIn,
  type ReceivedContainer,
  reconnect,
  standInStatus,
  startStore,
} from '../criu/received-container.ts'
import { SocketReader } from '../criu/sockets.ts'
import { writeDurably } from '../journal/durable-file.ts'
import { storeLocal, storeReady } from '../memory/store.ts'
import { nowMs } from '../moves.ts'
import type { Arm, ArmRestore, Committed, Outcome, Rearm, Restored, Standing, Steps, Stores } from '../peer/wire.ts'
import { outcomeOf } from '../protocol/destination.ts'
import type { DestinationMove, Failure } from '../protocol/move.ts'
import type { Attached } from '../rooms.ts'
import { sharedMemoryFolder } from '../runc/state.ts'
import type { StorageRoot } from '../storage/transport.ts'
import type { ReceiveTarget } from '../transfer/image-receiver.ts'

/** How long the gates wait for the grant when the source does not say. */
const defaultGrantWaitMs = 15_000
const standingPollMs = 50
const describedTimeoutMs = 10_000
const describedPollMs = 5
const releaseTries = 5
const releaseAgainMs = 1000
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
  #committing: Promise<Committed> | undefined
  #givingUp: Promise<void> | undefined
  #releaseTries = 0

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

  /** Announces the pod to CNI plugin and OCI wrapper. Before the pod object exists, or its containers would start afresh. */
  async announce(): Promise<void> {
    const { pod } = this.#request
    const folder = awaitedFolder(this.#context.config, pod)
    await Promise.all(pod.containers.map((name) => mkdir(path.join(folder, name), { recursive: true, mode: 0o700 })))
    await writeFile(path.join(folder, 'network'), `ip=${pod.ip}\nmigration=${this.#uid}\n`)
    void this.watchStanding()
  }

  /** Until all stand-ins wait and the sandbox is attached, or the move ends. */
  async watchStanding(): Promise<void> {
    while (this.#move.state === 'awaiting') {
      if ((await this.#missing()) === undefined && this.#move.state === 'awaiting') {
        this.#context.moves.decideDestination(this.#uid, { type: 'standing' })
        return
      }
      await new Promise((resolve) => setTimeout(resolve, standingPollMs).unref())
    }
  }

  async standing(podUid: string): Promise<Standing> {
    this.#podUid = podUid
    if (this.#move.state === 'awaiting') {
      const missing = await this.#missing()
      if (missing !== undefined) return { standing: false, missing, bundles: {} }
      if (this.#move.state === 'awaiting') this.#context.moves.decideDestination(this.#uid, { type: 'standing' })
    }
    const bundles = await this.#bundles()
    const [first] = Object.values(bundles)
    if (first !== undefined) this.#sharedFolder = await sharedMemoryFolder(first)
    return { standing: this.#move.state === 'standing', bundles }
  }

  /** One store for each container's memory, before any of it comes. */
  async stores(): Promise<Stores> {
    const started = await Promise.all(this.#request.pod.containers.map((name) => startStore(this.#folders(name))))
    return { available: started.every(Boolean) }
  }

  /** Everything about the restores that needs no images, done ahead of the freeze. */
  async armRestore({ lazy }: ArmRestore): Promise<void> {
    this.#lazy = lazy
    this.#sockets ??= new SocketReader(this.#context.config)
    const names = this.#request.pod.containers
    await Promise.all(names.map((name) => untilDescribed(this.#folders(name).images, this.#restoring.signal)))
    this.#armed = await Promise.all(names.map((name) => ArmedRestore.arm(name, this.#folders(name), lazy, this.#restoring.signal)))
  }

  meetingOf(container: string): string {
    if (this.#request.pod.containers.includes(container)) return this.#folders(container).meeting
    throw new CodedError('UnknownContainer', `Receiving memory: "${container.slice(0, 80)}" is no container of this migration`)
  }

  async arm({ legs, openPorts, podUid }: Arm): Promise<Steps> {
    this.#podUid = podUid
    const { config, network, moves } = this.#context
    await network.arm({ uid: this.#uid, ip: this.#request.pod.ip, nodeIp: config.nodeIp, legs, openPorts })
    moves.step(this.#uid, 'armed')
    return { steps: this.#move.steps }
  }

  async rearm(change: Rearm): Promise<void> {
    await this.#context.network.rearm({ uid: this.#uid, ip: this.#request.pod.ip, change })
  }

  /** The decision is on disk before the hold begins, so that the hold does not wait for the disk. */
  prepareHold(): void {
    if (this.#move.state === 'standing') this.#context.moves.decideDestination(this.#uid, { type: 'hold' })
  }

  async hold(): Promise<Steps> {
    if (this.#move.state !== 'holding') this.#context.moves.decideDestination(this.#uid, { type: 'hold' })
    const { network, moves } = this.#context
    await network.hold({ uid: this.#uid, ip: this.#request.pod.ip, attached: this.#attached() })
    moves.step(this.#uid, 'held')
    return { steps: this.#move.steps }
  }

  /** All containers side by side, to their gates. */
  async restore(): Promise<Restored> {
    const { moves } = this.#context
    moves.decideDestination(this.#uid, { type: 'restore' })
    try {
      const names = this.#request.pod.containers
      const reader = this.#sockets
      if (!reader) throw new CodedError('WrongState', `Restoring migration ${this.#uid}: its restores were never armed`)
      const missing = this.#context.network.missingFlows({ uid: this.#uid, ip: this.#request.pod.ip })
      missing.catch(() => undefined)
      if (this.#lazy) await Promise.all(names.map((name) => storeReady(this.#folders(name).meeting)))
      this.#containers = await Promise.all(this.#armed.map((armed) => armed.toGate(this.#restoring.signal)))
      moves.step(this.#uid, 'restored')
      const pids = (await Promise.all(this.#containers.map((container) => container.initPid()))).flatMap(treeOf)
      const { sockets } = await reader.read(pids)
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
    await this.release()
    return this.#committed()
  }

  /** Gates go, queued packets in, processes on. Idempotent: after a restart it does what is left. */
  release(): Promise<Committed> {
    this.#committing ??= this.#release().catch((error: unknown) => {
      this.#committing = undefined
      this.#releaseAgain(error)
      throw error
    })
    return this.#committing
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

  async abort(reason: string): Promise<void> {
    this.#sourceTakes.abort()
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
      imageFolder: (container) => this.#folders(container).images,
      logFile: (container) => {
        const file = logs && path.join(logs, container, '0.log')
        return file && existsSync(file) ? file : undefined
      },
    }
  }

  /** The source may only write into folders of the pod that is received here. */
  async checkRoot(root: StorageRoot): Promise<void> {
    if (root.kind === 'emptyDir' && root.podUid === this.#podUid) return
    if (root.kind === 'rootfs' && Object.values(await this.#bundles()).includes(root.bundle)) return
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

  /** From here the pod lives on this node whatever happens to its containers: what fails is a crash of the pod here, as on any node. */
  async #release(): Promise<Committed> {
    const { network, moves } = this.#context
    moves.step(this.#uid, 'committed')
    const connected = await this.#each(this.#request.pod.containers, async (name) => await this.#connected(name))
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
    await network.release({ uid: this.#uid, ip: this.#request.pod.ip, attached: this.#attached() })
    moves.step(this.#uid, 'released')
    const resumedAtMs = await this.#each(open, async (container) => (await container.resume()) ?? nowMs())
    moves.step(this.#uid, 'resumed', resumedAtMs.length > 0 ? Math.max(...resumedAtMs) : nowMs())
    this.#becomeLive(open, closed).catch((error: unknown) => log.error({ uid: this.#uid, err: error }, 'settling a committed move failed'))
    return this.#committed()
  }

  /** The commit stands, so it is finished: again, and at last without what cannot be had, as when the pod was deleted meanwhile. */
  #releaseAgain(error: unknown): void {
    const { moves } = this.#context
    log.error({ uid: this.#uid, err: error, tries: ++this.#releaseTries }, 'releasing a committed pod failed')
    if (this.#releaseTries < releaseTries) setTimeout(() => void this.release().catch(() => undefined), releaseAgainMs).unref()
    else if (this.#move.state === 'committed') {
      moves.warn(this.#uid, `Releasing the pod after the commit failed: ${messageOf(error)}`)
      void this.#liveAfresh()
    }
  }

  /** Nothing of the restore is left, as after a reboot of this node: a crash of the pod here, so kubelet may start its containers anew. */
  async #liveAfresh(): Promise<void> {
    await this.#each(this.#request.pod.containers, async (name) => await this.#startAfresh(name))
    if (this.#move.state === 'committed') this.#context.moves.decideDestination(this.#uid, { type: 'live' })
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
    const settled = await this.#each(containers, async (container) => {
      await container.settle()
      await this.#untilLocal(container.name)
      return container.name
    })
    const ended = this.#request.pod.containers.filter((name) => !settled.includes(name))
    await Promise.all(ended.map((name) => this.#startAfresh(name, closed.has(name))))
    moves.decideDestination(this.#uid, { type: 'live' })
    await rm(moveFolders(config, this.#uid, 'destination').images, { recursive: true, force: true })
  }

  /** Its memory is its own: no page waits in the store, so that the next move, or the end of the store, finds a program like any other. */
  async #untilLocal(name: string): Promise<void> {
    const status = await storeLocal(this.#folders(name).meeting)
    if (status && status.state !== 'local')
      this.#context.moves.warn(this.#uid, `Filling the memory of ${name}: ${status.state} (${status.reason ?? 'no reason given'})`)
  }

  /** Its state lived or never will: kubelet's next start of it must not find a stand-in that waits for us. */
  async #startAfresh(name: string, mayRun = false): Promise<void> {
    const marker = path.join(restoredFolder(this.#context.config, this.#request.pod), name)
    await mkdir(path.dirname(marker), { recursive: true, mode: 0o700 })
    await writeDurably(marker, 'restored\n')
    const { meeting } = this.#folders(name)
    if (mayRun)
      await endRestored(meeting).catch((error: unknown) => log.warn({ uid: this.#uid, err: error }, 'ending a restored container failed'))
    await quitStandIn(meeting)
  }

  async #connected(name: string): Promise<ReceivedContainer> {
    return this.#containers.find((container) => container.name === name) ?? (await reconnect(name, this.#folders(name)))
  }

  #committed(): Committed {
    const steps = this.#move.steps
    const at = (step: string): number | undefined => steps.find((one) => one.step === step)?.atMs
    const [held, released] = [at('held'), at('released')]
    return { steps, ...(held !== undefined && released !== undefined ? { holdMs: released - held } : {}) }
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
    const { request } = this.#move
    if (request) {
      this.#sockets?.cancel()
      for (const container of [...this.#armed, ...this.#containers]) container.close()
      await Promise.all([...request.pod.containers.map((name) => discard(this.#folders(name))), this.#giveTrafficBack(request)])
      // From here the wrapper refuses to create its containers: the pod is only deleted, never started.
      await rm(awaitedFolder(config, request.pod), { recursive: true, force: true })
    }
    // The work folder with criu's log stays until the controller has finished the move: somebody may want to read why.
    await rm(moveFolders(config, this.#uid, 'destination').images, { recursive: true, force: true })
    moves.step(this.#uid, 'undone')
    moves.settled(this.#uid)
  }

  /** Where the pod has thawed, or soon will: what is given back to a locked namespace is lost. */
  async #giveTrafficBack({ pod, source }: AwaitRequest): Promise<void> {
    const isHeld = this.#move.steps.some(({ step }) => step === 'held')
    if (isHeld) await sleep(sourceTakesWithinMs, undefined, { signal: this.#sourceTakes.signal }).catch(() => undefined)
    const sourceNodeIp = source.address.slice(0, source.address.lastIndexOf(':'))
    await this.#context.network.undo({ uid: this.#uid, ip: pod.ip, role: 'destination', otherNodeIp: sourceNodeIp })
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

  async #missing(): Promise<string | undefined> {
    const { pod } = this.#request
    const folder = awaitedFolder(this.#context.config, pod)
    if (!existsSync(path.join(folder, 'attached'))) return 'the sandbox has no network yet'
    const statuses = await Promise.all(pod.containers.map((name) => standInStatus(path.join(folder, name))))
    const index = statuses.findIndex((status) => status !== 'waiting')
    return index < 0 ? undefined : `container ${pod.containers[index]} is ${statuses[index]}`
  }

  #attached(): Attached {
    const file = path.join(awaitedFolder(this.#context.config, this.#request.pod), 'attached')
    return parseAttached(readFileSync(file, 'utf8'))
  }

  async #bundles(): Promise<Record<string, string>> {
    const { config } = this.#context
    const { pod } = this.#request
    const folder = awaitedFolder(config, pod)
    const standIns = path.join(config.runDir, 'standins')
    const bundles: Record<string, string> = {}
    for (const id of await readdir(standIns).catch(() => [])) {
      const [, meeting = '', , bundle = ''] = readFileSync(path.join(standIns, id), 'utf8').split('\n')
      if (path.dirname(meeting) === folder && pod.containers.includes(path.basename(meeting))) bundles[path.basename(meeting)] = bundle
    }
    return bundles
  }

  #folders(container: string): ContainerFolders {
    const { config } = this.#context
    const { images, work } = moveFolders(config, this.#uid, 'destination')
    return {
      meeting: path.join(awaitedFolder(config, this.#request.pod), container),
      images: path.join(images, container),
      work: path.join(work, container),
    }
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

/** What podmotion-cni wrote: `key=value`, one a line. */
export function parseAttached(text: string): Attached {
  const values = new Map(
    text.split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1).trim()] as const),
  )
  const need = (key: string): string => {
    const value = values.get(key)
    if (value) return value
    throw new CodedError(
      'NotAttached',
      `Reading how the sandbox is attached: ${key} is missing: is podmotion-cni the last plugin of the chain?`,
    )
  }
  return { hostVeth: need('hostveth'), podMac: need('podmac'), gateway: need('gateway'), netns: need('netns') }
}
