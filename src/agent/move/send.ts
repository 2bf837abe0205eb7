// The source's part of a move, in order: prepare while the pod runs, hand the network over, freeze, dump, send, prove, grant.

import path from 'node:path'
import type { Duplex } from 'node:stream'
import type { z } from 'zod'
import type { MoveRequest } from '../../api/agent-wire.ts'
import { realClock } from '../../runtime/clock.ts'
import { CodedError, messageOf } from '../../runtime/errors.ts'
import { collectAhead } from '../collect-ahead.ts'
import { type AgentContext, type MoveFolders, moveFolders, podLogFolder } from '../context.ts'
import { SocketReader } from '../criu/sockets.ts'
import type { Lending } from '../memory/lending.ts'
import type { PreCopy } from '../memory/pre-copy.ts'
import { startPreCopy } from '../memory/start.ts'
import type { FinalCopy } from '../memory/tracker.ts'
import { nowMs } from '../moves.ts'
import type { Peer } from '../peer/client.ts'
import { Committed, Nothing, Restored, type SocketOptions, Standing, Steps, Stores } from '../peer/wire.ts'
import { PodTcp } from '../pod-tcp.ts'
import { review, serveFirstMs } from '../priority.ts'
import type { PodNetwork } from '../rooms.ts'
import { type DumpFolders, type HeldDump, startHeldDump } from '../runc/checkpoint.ts'
import { isFrozen, processesOf } from '../runc/freezer.ts'
import { type RunningContainer, type RunningPod, readPod, sharedMemoryFolder } from '../runc/state.ts'
import { type ImageFolder, ImageSender } from '../transfer/image-sender.ts'
import { RateLimit } from '../transfer/rate-limit.ts'
import { ContainerLogs } from './container-logs.ts'
import { dumpAll, sendWhile } from './dumping.ts'
import { FilePasses } from './file-passes.ts'
import { MoveFlows } from './flows.ts'
import { freezePod } from './freeze-pod.ts'
import { writeMarker } from './marker.ts'
import { MemoryRounds } from './memory-rounds.ts'
import { paceMbps, readPressure } from './pace.ts'
import { compareSockets, type Verification } from './verify.ts'

const standingTimeoutMs = 120_000
const standingPollMs = 50
/** How long a good destination needs from the grant to the commit's record, many times over. */
const grantDeadlineMs = 5000
const warmConnections = 3
const armRestoreTimeoutMs = 30_000
/** A round trip round the world: new connections wait for it, and those that never answer are waited for as well. */
const handshakesMs = 300
/** Of those whose handshake takes longer. */
const namedPeers = 5

/** What the freeze has begun, and what it showed. */
interface Frozen {
  sockets: Restored['sockets']
  options: SocketOptions[]
  memory: FinalCopy | undefined
}

/** Everything of one attempt that is open while it lasts. */
export class Sending {
  readonly #context: AgentContext
  readonly #uid: string
  readonly #request: MoveRequest
  readonly #peer: Peer
  readonly #signal: AbortSignal
  #pod!: RunningPod
  #files!: FilePasses
  #images: ImageSender | undefined
  readonly #memory: MemoryRounds
  #sockets: SocketReader | undefined
  readonly #limit: RateLimit
  #logs: ContainerLogs
  #dumps: HeldDump[] = []
  #sharedFolder: string | undefined
  #closers: (() => void)[] = []
  readonly #flows: MoveFlows
  #followed: Promise<void> | undefined
  readonly #whenAborted = (): void => this.close()

  /** `lending` outlives this attempt: it is its owner's to close. */
  constructor(context: AgentContext, uid: string, signal: AbortSignal, lending: Lending) {
    this.#context = context
    this.#uid = uid
    this.#signal = signal
    this.#request = context.moves.source(uid).request
    // Whatever a step waits for, an abort ends it.
    signal.addEventListener('abort', this.#whenAborted, { once: true })
    this.#peer = context.peers.to(this.#request.destination.address)
    const { pod, bandwidthLimitMbps } = this.#request
    this.#limit = new RateLimit(bandwidthLimitMbps, realClock)
    this.#flows = new MoveFlows(context, uid, this.#request, async (what, body, schema) => await this.#call(what, body, schema))
    const copyAll = (): Promise<PreCopy> => this.#copyMemory()
    const lend = (): Promise<void> => lending.start(this.#pod.containers)
    this.#memory = new MemoryRounds({ moves: context.moves, uid, request: this.#request, limit: this.#limit, copyAll, lend, signal })
    this.#logs = new ContainerLogs(
      podLogFolder(context.config, pod),
      pod.containers.map(({ name }) => name),
    )
  }

  /** Ends with the grant journalled and sent, and the destination's answer recorded; throws otherwise. */
  async run(): Promise<void> {
    try {
      await this.#prepare()
      await this.#handOver()
      const frozen = await this.#freezeAndLock()
      await this.#capture(frozen)
      const restored = await this.#restoreThere(frozen.options)
      this.#verify(compareSockets(frozen.sockets, restored.sockets), restored)
      await this.#grant()
      setTimeout(() => this.close(), serveFirstMs).unref()
    } catch (error) {
      this.close()
      throw error
    } finally {
      review(this.#context.moves)
    }
  }

  /** What is kept of the move afterwards keeps the signal, and must not keep all pages that were sent by it. */
  close(): void {
    this.#signal.removeEventListener('abort', this.#whenAborted)
    for (const dump of this.#dumps) dump.cancel()
    this.#memory.close()
    this.#sockets?.cancel()
    if (this.#pod) PodTcp.forget(this.#pod.sandboxPid)
    for (const close of this.#closers) close()
    this.#closers = []
  }

  /** All that can be done while the pod runs. */
  async #prepare(): Promise<void> {
    const { moves, config } = this.#context
    this.#pod = await readPod(this.#request.pod.containers)
    this.#sharedFolder = await sharedMemoryFolder((this.#pod.containers[0] as RunningContainer).bundle)
    const { bundles } = await this.#untilStanding()
    // Before this move's own copying shows in it.
    const mbps = paceMbps(readPressure(), config.busyNodeMbps)
    moves.decideSource(this.#uid, { type: 'proceed', to: 'moving' })
    await this.#openStreams(bundles)
    await this.#files.ahead()
    await this.#memory.start(mbps)
    await this.#startDumps()
    await this.#armRestore()
    this.#take(await this.#flows.arm(this.#pod.sandboxPid))
    await this.#warm()
    // What changed during all of that: the less is left, the less the freeze has to carry. Files last: a changed one goes whole, a changed
    // page alone.
    await this.#memory.catchUp()
    await this.#files.once()
    await this.#keepHot()
    moves.step(this.#uid, 'presync')
    await this.#memory.last()
    await this.#keepHot()
    await this.#flows.follow('running')
    await writeMarker(config, this.#request.pod.uid, this.#uid)
    // From this record on a restart has something to thaw. On disk before the hold begins.
    moves.decideSource(this.#uid, { type: 'freeze' })
    const prepared = Promise.all([this.#context.network.prepareDivert(this.#diversion()), this.#divertHome({ ahead: true })])
    collectAhead(moves, this.#uid)
    await prepared
    // Last of all: when it is done, who connects by way of the destination waits.
    await this.#call('prepare-hold', {}, Nothing)
    // Not earlier: until here it is the pod, and who speaks with it, that would wait. Now it is who connects.
    review(moves)
    await this.#sendNewOn()
  }

  async #keepHot(): Promise<void> {
    await this.#files.keepHot(async (bytes) => await this.#limit.take(bytes))
  }

  async #untilStanding(): Promise<Standing> {
    const deadlineMs = performance.now() + standingTimeoutMs
    const podUid = this.#request.destination.podUid
    for (;;) {
      this.#signal.throwIfAborted()
      const answer = await this.#call('standing', { podUid }, Standing)
      if (answer.standing) return answer
      if (performance.now() > deadlineMs)
        throw new CodedError(
          'DestinationNotStanding',
          `Waiting for pod ${this.#request.destination.podName} on ${this.#request.destination.nodeName}: ${answer.missing ?? 'it does not stand'} after ${standingTimeoutMs / 1000} s: see its events`,
        )
      await new Promise((resolve) => setTimeout(resolve, standingPollMs))
    }
  }

  async #openStreams(bundles: Record<string, string>): Promise<void> {
    const images = await this.#peer.open(this.#path('images'))
    this.#closers.push(() => images.destroy())
    this.#images = new ImageSender(images)
    const open = (): Promise<Duplex> => this.#peer.open(this.#path('files'))
    const [context, uid, request, pod, signal] = [this.#context, this.#uid, this.#request, this.#pod, this.#signal]
    this.#files = await FilePasses.start({ context, uid, request, pod, bundles, open, signal })
    this.#closers.push(() => this.#files.close())
    await this.#logs.send(this.#images)
  }

  async #copyMemory(): Promise<PreCopy> {
    return await startPreCopy({
      moves: this.#context.moves,
      config: this.#context.config,
      uid: this.#uid,
      containers: this.#pod.containers,
      folders: (container) => this.#folders(container),
      stores: async () => await this.#call('stores', {}, Stores),
      open: (container) => this.#peer.open(this.#path(`pages/${container}`)),
      images: this.#images as ImageSender,
      limit: this.#limit,
    })
  }

  /** runc and criu start now and wait for `go`: their start is not part of the freeze. */
  async #startDumps(): Promise<void> {
    const started = this.#pod.containers.map(async (container) => {
      this.#dumps.push(await startHeldDump(this.#context.config, container, this.#dumpFolders(container.name)))
    })
    await Promise.all(started)
  }

  /** The destination's criu starts now as well. */
  async #armRestore(): Promise<void> {
    const images = this.#images as ImageSender
    await images.sendDescriptions(this.#imageFolders())
    await this.#call('arm-restore', { lazy: this.#memory.lazy }, Nothing, armRestoreTimeoutMs)
  }

  #dumpFolders(container: string): DumpFolders {
    return { ...this.#folders(container), ...this.#memory.dumpOptions(container) }
  }

  #folders(container: string): MoveFolders {
    const { images, work } = moveFolders(this.#context.config, this.#uid, 'source')
    return { images: path.join(images, container), work: path.join(work, container) }
  }

  #imageFolders(): ImageFolder[] {
    return this.#pod.containers.map(({ name }) => ({ container: name, folder: this.#folders(name).images }))
  }

  async #warm(): Promise<void> {
    this.#sockets = new SocketReader(this.#context.config)
    const { podUid } = this.#request.destination
    await Promise.all([this.#files.warm(), this.#peer.warm(warmConnections, this.#path('standing'), { podUid })])
    this.#signal.throwIfAborted()
  }

  #diversion(): Parameters<PodNetwork['divert']>[0] {
    const { pod, destination } = this.#request
    const { sandboxPid } = this.#pod
    return { uid: this.#uid, ips: pod.ips, destinationNodeIps: destination.nodeIps, role: 'source', sandboxPid }
  }

  /** Who has begun to connect is let in; who begins now waits for the other node. */
  async #sendNewOn(): Promise<void> {
    const { sandboxPid } = this.#pod
    const halfOpen = await this.#context.network.sendNewOn({ ...this.#diversion(), sandboxPid, withinMs: handshakesMs })
    const named = halfOpen.slice(0, namedPeers).join(', ')
    const warning = `Handshakes that took over ${handshakesMs} ms will be reset: ${halfOpen.length}, of ${named}`
    if (halfOpen.length > 0) this.#context.moves.warn(this.#uid, warning)
    this.#signal.throwIfAborted()
  }

  /** The network moves first: the peers' packets start to wait on the destination. Destination first, else routes loop. */
  async #handOver(): Promise<void> {
    const { moves, network } = this.#context
    const held = await this.#call('hold', {}, Steps)
    await Promise.all([this.#divertHome(), network.divert(this.#diversion())])
    moves.step(this.#uid, 'diverted')
    this.#take(held)
    this.#signal.throwIfAborted()
  }

  async #divertHome(how: { ahead?: true } = {}): Promise<void> {
    const { pod, destination, home } = this.#request
    if (!home) return
    const wish = { ips: pod.ips, destinationNodeIps: destination.nodeIps, ...how }
    await this.#context.peers.to(home.address).call(this.#path('divert'), wish, Nothing, { signal: this.#signal })
  }

  /** Memory stands still from the freeze on: its last round begins at once, beside all that follows. */
  async #freezeAndLock(): Promise<Frozen> {
    const { config, moves, network } = this.#context
    const { atMs, unreadSockets } = await freezePod(this.#pod, PodTcp.of(config.helper, this.#pod.sandboxPid), this.#request.pod.name)
    moves.step(this.#uid, 'frozen', atMs)
    if (unreadSockets > 0) moves.warn(this.#uid, `Datagrams that waited unread at the freeze are lost (UDP sockets: ${unreadSockets})`)
    const memory = this.#memory.final()
    await network.lock({ uid: this.#uid, sandboxPid: this.#pod.sandboxPid })
    moves.step(this.#uid, 'locked')
    this.#followed = this.#flows.follow('locked')
    this.#followed.catch(() => undefined)
    const pids = this.#pod.containers.flatMap(({ freezer }) => processesOf(freezer.folder))
    const { sockets, options } = await (this.#sockets as SocketReader).read(pids)
    this.#signal.throwIfAborted()
    return { sockets, options, memory }
  }

  #lastSync(): Promise<void> {
    const synced = this.#files.last().then(() => this.#context.moves.step(this.#uid, 'synced'))
    synced.catch(() => undefined)
    return synced
  }

  /** Dump, files and transfer side by side; large images leave while criu still writes them. The dump takes longest, so nothing goes before it. */
  async #capture({ memory }: Frozen): Promise<void> {
    const { moves } = this.#context
    const images = this.#images as ImageSender
    const folders = this.#imageFolders()
    // criu must not look before it is written what it may leave out.
    if (memory) await this.#withinBudget(memory.listed)
    const dumping = dumpAll(this.#dumps.splice(0), this.#budgetLeftMs()).then(() => moves.step(this.#uid, 'dumped'))
    const synced = this.#lastSync()
    try {
      if (this.#sharedFolder !== undefined) await images.sendShared(this.#sharedFolder)
      await sendWhile(dumping, () => images.sendGrown(folders))
    } finally {
      // Whatever failed: nothing may thaw under a criu that still works.
      await dumping.catch(() => undefined)
    }
    await this.#logs.send(images)
    await this.#withinBudget(images.finish(folders))
    const copied = memory && (await this.#withinBudget(memory.complete))
    if (copied) this.#memory.stayed(copied)
    moves.step(this.#uid, 'transferred')
    await this.#withinBudget(synced)
    moves.facts(this.#uid, { bytesMoved: images.bytes + this.#memory.bytes })
    if (!this.#pod.containers.every(({ freezer }) => isFrozen(freezer)))
      throw new CodedError('SourceThawed', 'Dumping: the source runs again although it should be frozen: something else thawed its cgroup')
  }

  async #restoreThere(options: SocketOptions[]): Promise<Restored> {
    const budgetMs = this.#request.freezeWindowBudgetMs
    await this.#withinBudget(this.#followed ?? Promise.resolve())
    const restored = await this.#withinBudget(this.#call('restore', { options }, Restored, budgetMs + 10_000))
    this.#take(restored)
    return restored
  }

  #verify({ connections, sequenceDelta, differences: sockets }: Verification, restored: Restored): void {
    const { moves } = this.#context
    const differences = [...sockets, ...restored.missingFlows]
    moves.facts(this.#uid, { connections, sequenceDelta })
    moves.step(this.#uid, 'verified')
    if (differences.length === 0 || this.#request.tcpPreservationMode === 'None') return
    const message = `Verifying ${connections.source} connections while held (${restored.sockets.length} sockets restored): ${differences.join('; ')}`
    if (this.#request.tcpPreservationMode === 'Strict')
      throw new CodedError(connections.lost > 0 ? 'ConnectionsLost' : sequenceDelta > 0 ? 'SequencesDiffer' : 'FlowsMissing', message)
    moves.warn(this.#uid, message)
  }

  async #grant(): Promise<void> {
    const { moves } = this.#context
    const frozenAtMs = this.#stepAt('frozen')
    moves.decideSource(this.#uid, { type: 'verified', frozenAtMs, budgetMs: this.#request.freezeWindowBudgetMs })
    const { state, failure } = moves.source(this.#uid)
    if (state !== 'granted') throw new CodedError(failure?.code ?? 'NotGranted', failure?.message ?? `Granting: the move is ${state}`)
    moves.step(this.#uid, 'granted')
    const committed = await this.#peer.call(this.#path('grant'), { deadlineMs: grantDeadlineMs }, Committed, { timeoutMs: 20_000 })
    moves.decideSource(this.#uid, { type: 'outcome', outcome: 'committed' })
    this.#recordCommit(committed)
  }

  #take({ steps }: { steps: Committed['steps'] }): void {
    for (const { step, atMs, node } of steps) this.#context.moves.step(this.#uid, step, atMs, node)
  }

  #budgetLeftMs(): number {
    return this.#request.freezeWindowBudgetMs - (nowMs() - this.#stepAt('frozen'))
  }

  /** Over the budget nothing is worth waiting for. A dump is, for a moment: stopping criu in the middle of it costs more than its end. */
  async #withinBudget<T>(work: Promise<T>): Promise<T> {
    work.catch(() => undefined)
    let timer: NodeJS.Timeout | undefined
    const over = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () => reject(new CodedError('FreezeBudgetExceeded', overBudget(this.#request.freezeWindowBudgetMs))),
        Math.max(0, this.#budgetLeftMs()),
      )
    })
    return await Promise.race([work, over]).finally(() => clearTimeout(timer))
  }

  #recordCommit(committed: Committed): void {
    recordCommit(this.#context, this.#uid, committed.steps, committed.holdMs)
  }

  #stepAt(step: string): number {
    return this.#context.moves.source(this.#uid).steps.find((one) => one.step === step)?.atMs ?? 0
  }

  async #call<T>(what: string, body: unknown, schema: z.ZodType<T>, timeoutMs?: number): Promise<T> {
    return await this.#peer.call(this.#path(what), body, schema, {
      signal: this.#signal,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    })
  }

  #path(what: string): string {
    return `/v1/peer/${this.#uid}/${what}`
  }
}

/** The destination's steps become the source's too, and with them the freeze as a whole is known. */
export function recordCommit({ moves }: AgentContext, uid: string, steps: Committed['steps'], holdMs: number | undefined): void {
  for (const { step, atMs, node } of steps) moves.step(uid, step, atMs, node)
  const all = moves.source(uid).steps
  const frozenAtMs = all.find((one) => one.step === 'frozen')?.atMs
  const resumedAtMs = all.find((one) => one.step === 'resumed')?.atMs
  moves.facts(uid, {
    ...(holdMs === undefined ? {} : { holdMs }),
    ...(frozenAtMs === undefined || resumedAtMs === undefined ? {} : { freezeMs: resumedAtMs - frozenAtMs }),
  })
}

function overBudget(budgetMs: number): string {
  return `Moving: the pod was frozen for longer than its budget of ${budgetMs} ms before the destination could commit: raise freezeWindowBudgetMs or move it when it is idle`
}

export function failureOf(error: unknown): { code: string; message: string } {
  return { code: error instanceof CodedError ? error.code : 'MoveFailed', message: messageOf(error) }
}
