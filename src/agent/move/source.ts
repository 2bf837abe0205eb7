// One migration on its source: runs the move, and carries out what the protocol says when it ends, fails or the agent comes back.
import { rm } from 'node:fs/promises'
import path from 'node:path'
import type { Duplex } from 'node:stream'
import { messageOf } from '../../runtime/errors.ts'
import { log } from '../../runtime/log.ts'
import { type AgentContext, moveFolders } from '../context.ts'
import { leaveRepair } from '../criu/sockets.ts'
import { Lending } from '../memory/lending.ts'
import { nowMs } from '../moves.ts'
import { homeRecordsKeptMs } from '../network/records.ts'
import { Outcome } from '../peer/wire.ts'
import { review } from '../priority.ts'
import type { SourceMove } from '../protocol/move.ts'
import { isToBeUndone, mayLend, type SourceAction } from '../protocol/source.ts'
import { abandonHeldDump } from '../runc/checkpoint.ts'
import { untilNoDumper } from '../runc/dumpers.ts'
import { processesOf, thaw } from '../runc/freezer.ts'
import { type RunningContainer, readContainer, sandboxPidOf } from '../runc/state.ts'
import { removeMarker } from './marker.ts'
import { recordCommit } from './record-steps.ts'
import { failureOf, Sending } from './send.ts'
import { tellPeer } from './tell-peer.ts'

const askEveryMs = { first: 100, longest: 5000 }
const askTimeoutMs = 2000
/** A destination that is away gives up by itself. */
const tellDestinationMs = 20_000

export class Source {
  readonly #context: AgentContext
  readonly #uid: string
  #stop = new AbortController()
  #running: Promise<void> | undefined
  #rollingBack: Promise<void> | undefined
  #asking = false
  /** Of mode PostCopy: from before the freeze until the destination has everything. */
  readonly #lending: Lending

  constructor(context: AgentContext, uid: string) {
    this.#context = context
    this.#uid = uid
    const { destination, bandwidthLimitMbps } = this.#move.request
    const open = (container: string): Promise<Duplex> => context.peers.to(destination.address).open(`/v1/peer/${uid}/lend/${container}`)
    this.#lending = new Lending({ config: context.config, uid, open, limitMbps: bandwidthLimitMbps })
  }

  get #move(): SourceMove {
    return this.#context.moves.source(this.#uid)
  }

  /** Returns at once; everything that happens is in the move's record. */
  start(): void {
    this.#running ??= this.#run()
  }

  async abort(reason: string): Promise<void> {
    await this.#carry(this.#context.moves.decideSource(this.#uid, { type: 'abort', reason }))
  }

  async resolve(verdict: 'committed' | 'destinationGone'): Promise<void> {
    await this.#carry(this.#context.moves.decideSource(this.#uid, { type: 'resolve', verdict }))
  }

  async finish(outcome: 'committed' | 'aborted'): Promise<void> {
    await this.#carry(this.#context.moves.decideSource(this.#uid, { type: 'finish', outcome }))
  }

  /** By another word of the destination than its answer to the grant. */
  async hearsOfCommit(): Promise<void> {
    await this.#takeOutcome({ outcome: 'committed', steps: [] })
  }

  async restarted(): Promise<void> {
    if (mayLend(this.#move)) await this.#lending.start(await this.#containers())
    await this.#carry(this.#context.moves.decideSource(this.#uid, { type: 'restarted' }))
  }

  async #run(): Promise<void> {
    const sending = new Sending(this.#context, this.#uid, this.#stop.signal, this.#lending)
    try {
      await sending.run()
      // A person may have said meanwhile that the destination is gone.
      this.#running = undefined
      if (isToBeUndone(this.#move)) await this.#rollBack()
    } catch (error) {
      log.warn({ uid: this.#uid, state: this.#move.state, err: error }, 'the move failed')
      this.#running = undefined
      await this.#carry(this.#context.moves.decideSource(this.#uid, { type: 'failed', failure: failureOf(error) }))
    }
  }

  async #carry(actions: readonly SourceAction[]): Promise<void> {
    for (const action of actions) {
      if (action === 'rollBack') await this.#rollBack()
      else if (action === 'askOutcome') void this.#askOutcome()
      else if (action === 'endSource') await this.#endSource()
      else if (action === 'cleanUp') await this.#cleanUp()
    }
  }

  /** While the move still runs it is stopped first, and undoes itself when its last step has returned: never both at once. */
  async #rollBack(): Promise<void> {
    if (this.#running) {
      this.#stop.abort(new Error(this.#move.failure?.message ?? 'aborted'))
      return
    }
    this.#rollingBack ??= this.#undo().catch((error: unknown) => {
      this.#rollingBack = undefined
      log.error({ uid: this.#uid, err: error }, 'rolling back failed; it is tried again')
      setTimeout(() => void this.#rollBack(), 1000).unref()
    })
    await this.#rollingBack
  }

  /**
   * The pod first; nothing here waits for an unreachable destination, which can never commit without a grant. Packets come back, those that waited
   * on the destination too, while the processes are still frozen: they wait in their sockets.
   */
  async #undo(): Promise<void> {
    const { moves, config } = this.#context
    const { pod } = this.#move.request
    this.#lending.close()
    const containers = await this.#containers()
    await Promise.all([this.#takeNetworkBack(containers), this.#endDumps(containers)])
    await thaw(containers.map(({ freezer }) => freezer))
    moves.step(this.#uid, 'thawed')
    review(moves)
    await removeMarker(config, pod.uid)
    // criu's log stays until the controller has finished the move.
    await rm(moveFolders(config, this.#uid, 'source').images, { recursive: true, force: true })
    moves.step(this.#uid, 'undone')
    moves.settled(this.#uid)
  }

  async #takeNetworkBack(containers: readonly RunningContainer[]): Promise<void> {
    const { network } = this.#context
    const sandboxPid = await this.#sandboxPid(containers)
    const sandbox = sandboxPid === undefined ? {} : { sandboxPid }
    const otherNodeIps = this.#move.request.destination.nodeIps
    let told: Promise<void> | undefined
    const onBack = (): void => {
      told ??= this.#tellPeers()
    }
    await network.undo({ uid: this.#uid, role: 'source', otherNodeIps, onBack, ...sandbox })
    // Nothing of the network was changed here, or all of it is back already.
    onBack()
  }

  async #endDumps(containers: readonly RunningContainer[]): Promise<void> {
    const { config } = this.#context
    const { images, work } = moveFolders(config, this.#uid, 'source')
    await Promise.all(containers.map(({ name }) => abandonHeldDump({ work: path.join(work, name) })))
    await untilNoDumper(images)
    await leaveRepair(
      config,
      containers.flatMap(({ freezer }) => processesThere(freezer.folder)),
    )
  }

  async #tellPeers(): Promise<void> {
    const { request, failure } = this.#move
    const reason = failure?.message ?? 'The source rolled back'
    this.#tellHome({ undo: true })
    await this.#tell(request.destination.address, 'abort', { reason }, tellDestinationMs)
    await this.#context.network.wayBackEnds(request.pod.ips)
  }

  /** Until then it leaves the routes of these addresses alone, so it is told for as long as it waits for it: its agent may be away. */
  #tellHome(end: { undo: true } | { settle: true }): void {
    const { pod, destination, home } = this.#move.request
    const body = { ips: pod.ips, destinationNodeIps: destination.nodeIps, ...end }
    if (home) void this.#tell(home.address, 'divert', body, homeRecordsKeptMs)
  }

  async #tell(address: string, what: string, body: unknown, forMs: number): Promise<void> {
    await tellPeer(this.#context.peers, { address, path: `/v1/peer/${this.#uid}/${what}`, body, forMs })
  }

  /**
   * After the grant only an answer ends this: committed, never, or a person's word. The pod is frozen meanwhile, so asking again adds
   * no more than a quarter to what the break between the nodes lasted.
   */
  async #askOutcome(): Promise<void> {
    if (this.#asking) return
    this.#asking = true
    const sinceMs = nowMs()
    while (this.#move.state === 'granted') {
      const answer = await this.#outcomeOfPeer()
      if (answer && this.#move.state === 'granted') return await this.#takeOutcome(answer)
      const waitMs = Math.max(askEveryMs.first, (nowMs() - sinceMs) / 4)
      await new Promise((resolve) => setTimeout(resolve, Math.min(waitMs, askEveryMs.longest)))
    }
    this.#asking = false
  }

  async #outcomeOfPeer(): Promise<Outcome | undefined> {
    try {
      const peer = this.#context.peers.to(this.#move.request.destination.address)
      return await peer.call(`/v1/peer/${this.#uid}/outcome`, {}, Outcome, { timeoutMs: askTimeoutMs })
    } catch (error) {
      log.warn({ uid: this.#uid, reason: messageOf(error) }, 'asking for the outcome failed')
      return undefined
    }
  }

  async #takeOutcome({ outcome, failure, steps }: Outcome): Promise<void> {
    this.#asking = false
    const actions = this.#context.moves.decideSource(this.#uid, { type: 'outcome', outcome, ...(failure ? { failure } : {}) })
    if (outcome === 'committed') recordCommit(this.#context.moves, this.#uid, { steps })
    review(this.#context.moves)
    await this.#carry(actions)
  }

  /** Silently: the namespace is locked, so no FIN and no RST leaves; killed while frozen, so not one instruction runs. */
  async #endSource(): Promise<void> {
    this.#lending.close()
    const containers = await this.#containers()
    for (const { freezer } of containers) killAll(freezer.folder)
    await thaw(containers.map(({ freezer }) => freezer))
    this.#context.moves.step(this.#uid, 'sourceEnded')
    await this.#cleanUp()
  }

  async #cleanUp(): Promise<void> {
    if (this.#move.committed) await this.#settleNetwork()
    if (this.#move.committed) await this.#keepImages()
    await this.#removeFolders()
    this.#context.moves.settled(this.#uid)
  }

  /** What belongs to the moved pod is the controller's wish from here, on the home node too. */
  async #settleNetwork(): Promise<void> {
    await this.#context.network.settle(this.#uid)
    this.#tellHome({ settle: true })
  }

  /** The move is done: whatever becomes of its images, it does not fail by that. */
  async #keepImages(): Promise<void> {
    const { config, checkpoints, moves } = this.#context
    const { request } = this.#move
    // A record of an older agent has none.
    if (request.mode !== 'Cold' || !request.keepCheckpointSeconds) return
    try {
      await checkpoints.take(this.#uid, request, moveFolders(config, this.#uid, 'source').images)
    } catch (error) {
      moves.warn(this.#uid, `The checkpoint is not kept: ${messageOf(error)}`)
    }
  }

  async #removeFolders(): Promise<void> {
    const { images, work } = moveFolders(this.#context.config, this.#uid, 'source')
    await Promise.all([images, work].map((folder) => rm(folder, { recursive: true, force: true })))
  }

  async #sandboxPid(containers: readonly RunningContainer[]): Promise<number | undefined> {
    return containers[0] && ((await sandboxPidOf(containers[0].bundle)) ?? containers[0].initPid)
  }

  /** Those that still exist: a node that was rebooted has none of them. */
  async #containers(): Promise<RunningContainer[]> {
    const found = await Promise.allSettled(this.#move.request.pod.containers.map(({ name, id }) => readContainer(name, id)))
    return found.filter((one) => one.status === 'fulfilled').map((one) => one.value)
  }
}

function killAll(cgroupFolder: string): void {
  for (const pid of processesThere(cgroupFolder)) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended already.
    }
  }
}

function processesThere(cgroupFolder: string): number[] {
  try {
    return processesOf(cgroupFolder)
  } catch {
    return []
  }
}
