// The source's part of a move, in order: prepare while the pod runs, hand the network over, freeze, dump, send, prove, grant.
import path from 'node:path'
import type { Duplex } from 'node:stream'
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
import { Nothing, Restored, type SocketOptions, type Steps, Stores } from '../peer/wire.ts'
import { PodTcp } from '../pod-tcp.ts'
import { review, serveFirstMs } from '../priority.ts'
import { type DumpFolders, type HeldDump, startHeldDump } from '../runc/checkpoint.ts'
import { isFrozen, processesOf } from '../runc/freezer.ts'
import { type RunningContainer, type RunningPod, readPod, sharedMemoryFolder } from '../runc/state.ts'
import { type ImageFolder, ImageSender } from '../transfer/image-sender.ts'
import { RateLimit } from '../transfer/rate-limit.ts'
import { ContainerLogs } from './container-logs.ts'
import { DestinationAgent } from './destination-agent.ts'
import { dumpAll, sendWhile } from './dumping.ts'
import { FilePasses } from './file-passes.ts'
import { MoveFlows } from './flows.ts'
import { FreezeBudget } from './freeze-budget.ts'
import { freezePod } from './freeze-pod.ts'
import { HandOver } from './hand-over.ts'
import { writeMarker } from './marker.ts'
import { MemoryRounds } from './memory-rounds.ts'
import { paceMbps, readPressure } from './pace.ts'
import { recordCommit, recordSteps } from './record-steps.ts'
import { compareSockets, type Verification } from './verify.ts'

const armRestoreTimeoutMs = 30_000
/** Whoever comes once a second does not come in each of some looks. */
const looksMore = 4

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
  readonly #destination: DestinationAgent
  readonly #handOver: HandOver
  readonly #budget: FreezeBudget
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
    const { pod, destination, bandwidthLimitMbps, freezeWindowBudgetMs } = this.#request
    this.#destination = new DestinationAgent(context.peers.to(destination.address), uid, destination, signal)
    this.#handOver = new HandOver(context, uid, this.#request, this.#destination, signal)
    this.#budget = new FreezeBudget(freezeWindowBudgetMs, () => this.#stepAt('frozen'))
    this.#limit = new RateLimit(bandwidthLimitMbps, realClock)
    this.#flows = new MoveFlows(context, uid, this.#request, this.#destination)
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
      await this.#divert()
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
    const { bundles } = await this.#destination.standing()
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
    await this.#files.keepHot()
    moves.step(this.#uid, 'presync')
    await this.#memory.last()
    await this.#files.keepHot()
    await this.#flows.follow('running')
    await writeMarker(config, this.#request.pod.uid, this.#uid)
    // From this record on a restart has something to thaw. On disk before the hold begins.
    moves.decideSource(this.#uid, { type: 'freeze' })
    const prepared = this.#handOver.prepare(this.#pod.sandboxPid)
    collectAhead(moves, this.#uid)
    await prepared
    await this.#destination.call('prepare-hold', {}, Nothing)
    await this.#lookAtLast()
    // Last of all: when it is done, who connects by way of the destination waits.
    await this.#destination.call('await-new', {}, Nothing)
    // Not earlier: until here it is the pod, and who speaks with it, that would wait. Now it is who connects.
    review(moves)
    await this.#handOver.sendNewOn(this.#pod.sandboxPid)
  }

  /** The hold took a quarter of a second to prepare, in which pages and files changed. */
  async #lookAtLast(): Promise<void> {
    await Promise.all([this.#memory.lastOfAll(), this.#files.keepHotOnce()])
    for (let more = 0; more < looksMore && (await this.#memory.isInDoubt()); more++)
      await Promise.all([this.#memory.lookAgain(), this.#files.keepHotOnce()])
  }

  async #openStreams(bundles: Record<string, string>): Promise<void> {
    const images = await this.#destination.open('images')
    this.#closers.push(() => images.destroy())
    this.#images = new ImageSender(images)
    const open = (): Promise<Duplex> => this.#destination.open('files')
    const [context, uid, request, pod, signal] = [this.#context, this.#uid, this.#request, this.#pod, this.#signal]
    const take = async (bytes: number): Promise<void> => await this.#limit.take(bytes)
    this.#files = await FilePasses.start({ context, uid, request, pod, bundles, open, take, signal })
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
      stores: async () => await this.#destination.call('stores', {}, Stores),
      open: (container) => this.#destination.open(`pages/${container}`),
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
    await this.#destination.call('arm-restore', { lazy: this.#memory.lazy }, Nothing, armRestoreTimeoutMs)
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
    await Promise.all([this.#files.warm(), this.#destination.warm()])
    this.#signal.throwIfAborted()
  }

  /** The network moves first. */
  async #divert(): Promise<void> {
    const held = await this.#handOver.divert(this.#pod.sandboxPid)
    this.#context.moves.step(this.#uid, 'diverted')
    this.#take(held)
    this.#signal.throwIfAborted()
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
    if (memory) await this.#budget.within(memory.listed)
    const dumping = dumpAll(this.#dumps.splice(0), this.#budget.leftMs()).then(() => moves.step(this.#uid, 'dumped'))
    const synced = this.#lastSync()
    try {
      if (this.#sharedFolder !== undefined) await images.sendShared(this.#sharedFolder)
      await sendWhile(dumping, () => images.sendGrown(folders))
    } finally {
      // Whatever failed: nothing may thaw under a criu that still works.
      await dumping.catch(() => undefined)
    }
    await this.#logs.send(images)
    await this.#budget.within(images.finish(folders))
    const copied = memory && (await this.#budget.within(memory.complete))
    if (copied) this.#memory.stayed(copied)
    moves.step(this.#uid, 'transferred')
    await this.#budget.within(synced)
    moves.facts(this.#uid, { bytesMoved: images.bytes + this.#memory.bytes })
    if (!this.#pod.containers.every(({ freezer }) => isFrozen(freezer)))
      throw new CodedError('SourceThawed', 'Dumping: the source runs again although it should be frozen: something else thawed its cgroup')
  }

  async #restoreThere(options: SocketOptions[]): Promise<Restored> {
    const budgetMs = this.#request.freezeWindowBudgetMs
    await this.#budget.within(this.#followed ?? Promise.resolve())
    const restored = await this.#budget.within(this.#destination.call('restore', { options }, Restored, budgetMs + 10_000))
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
    const committed = await this.#destination.grant()
    moves.decideSource(this.#uid, { type: 'outcome', outcome: 'committed' })
    recordCommit(moves, this.#uid, committed)
  }

  #take(made: Steps): void {
    recordSteps(this.#context.moves, this.#uid, made)
  }

  #stepAt(step: string): number {
    return this.#context.moves.source(this.#uid).steps.find((one) => one.step === step)?.atMs ?? 0
  }
}

export function failureOf(error: unknown): { code: string; message: string } {
  return { code: error instanceof CodedError ? error.code : 'MoveFailed', message: messageOf(error) }
}
