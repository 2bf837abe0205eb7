// One run of the agent on one node: its registry as in src/agent/registry.ts, with the real moves, decisions and journal.
import { Journal, type JournalFiles } from '../../src/agent/journal/journal.ts'
import { Moves } from '../../src/agent/moves.ts'
import type { DestinationAction, DestinationMessage } from '../../src/agent/protocol/destination.ts'
import { endsAlone, isForgotten, type Move, toWire } from '../../src/agent/protocol/move.ts'
import { goesOn, type SourceAction, type SourceMessage } from '../../src/agent/protocol/source.ts'
import { isNeeded } from '../../src/agent/sweep/needed.ts'
import type { Owned } from '../../src/agent/sweep/owned.ts'
import type { AwaitRequest, Inventory, MoveRecord, MoveRequest, MoveStep } from '../../src/api/agent-wire.ts'
import { CodedError } from '../../src/runtime/errors.ts'
import type { Dice } from './dice.ts'
import { Hands, type Image } from './hands.ts'
import type { Life } from './life.ts'
import type { SimNode } from './node.ts'
import { SimReceiver } from './receiver.ts'
import { SimSource } from './source.ts'
import type { World } from './world.ts'

const recoverAgainMs = 2000
const sweepEveryMs = 60_000
const homeRecordsKeptMs = 10 * 60 * 1000
const bootMs = { low: 200, high: 3000 }

/** What one agent asks of another; `undivert` and `settle` are the two other forms of divert. */
export type PeerWord =
  | 'standing'
  | 'arm'
  | 'prepareHold'
  | 'hold'
  | 'images'
  | 'restore'
  | 'grant'
  | 'outcome'
  | 'goesOn'
  | 'abort'
  | 'divert'
  | 'undivert'
  | 'settle'

export class SimAgent {
  readonly world: World
  readonly node: SimNode
  readonly life: Life
  readonly dice: Dice
  readonly hands: Hands
  readonly moves: Moves
  readonly #sources = new Map<string, SimSource>()
  readonly #receivers = new Map<string, SimReceiver>()
  /** Answers nobody before it has recovered. */
  ready = false

  constructor(world: World, node: SimNode, life: Life) {
    this.world = world
    this.node = node
    this.life = life
    this.dice = world.dice.fork(`agent ${node.name} ${world.loop.nowMs}`)
    this.hands = new Hands(world, life, node)
    this.moves = new Moves(new Journal(whileAlive(node.journals, life)), node.name, () => life.monotonicMs(), world.rules)
  }

  async start(): Promise<void> {
    await this.life.sleep(this.dice.between(bootMs.low, bootMs.high))
    await this.#recover(this.moves.list())
    this.hands.sweepNetwork(new Set(this.moves.openUids()))
    this.ready = true
    for (;;) {
      this.#sweep()
      await this.life.sleep(sweepEveryMs)
    }
  }

  async #recover(moves: readonly Move[]): Promise<void> {
    const results = await Promise.allSettled(moves.map((move) => this.#restarted(move)))
    const failed = moves.filter((_move, index) => results[index]?.status === 'rejected')
    if (failed.length > 0) this.life.after(recoverAgainMs, () => this.background(this.#recover(failed)))
  }

  #restarted(move: Move): Promise<void> {
    return move.role === 'source' ? this.source(move.uid).tell({ type: 'restarted' }) : this.receiver(move.uid).tell({ type: 'restarted' })
  }

  /** What is still needed the real sweep decides. */
  #sweep(): void {
    const { node, hands } = this
    const view = {
      moves: this.moves.list(),
      podUids: new Set(node.podFolders.keys()),
      podKeys: new Set(node.podFolders.values()),
      nowMs: 0,
    }
    const left = (owned: Omit<Owned, 'path'>) => this.life.alive && !isNeeded({ path: '', ...owned }, view)
    for (const [podUid, uid] of node.markers) if (left({ kind: 'marker', podUid, uid })) hands.removeMarker(podUid)
    for (const podKey of node.awaited.keys()) if (left({ kind: 'awaited', podKey })) hands.removeAwaited(podKey)
    for (const podKey of node.restored) if (left({ kind: 'restored', podKey })) node.restored.delete(podKey)
    for (const images of node.images)
      if (left({ kind: 'images', uid: images.replace(/-(source|destination)$/, '') })) hands.removeImages(images)
    hands.sweepHome(homeRecordsKeptMs)
    for (const move of view.moves.filter((one) => endsAlone(one, this.life.monotonicMs())))
      this.background(this.finish(move.uid, 'committed'))
    const forgotten = view.moves.filter((move) => isForgotten(move, this.life.monotonicMs()))
    for (const { uid } of forgotten)
      this.background(this.receiver(uid).tell({ type: 'failed', failure: { code: 'Forgotten', message: 'nobody came for it' } }))
  }

  // ---- asked by the controller

  record(uid: string): MoveRecord | 'absent' {
    const move = this.moves.get(uid)
    return move ? toWire(move) : 'absent'
  }

  inventory(): Inventory {
    return {
      connections: 3,
      listeners: 1,
      memoryBytes: 2 ** 26,
      touchedBytes: 0,
      touchedInMs: 250,
      writableBytes: 2 ** 20,
      restlessBytes: 0,
      watchedBytes: 0,
      rewrittenBytes: 0,
      rewrittenInMs: 250,
      processes: 2,
      reasons: [],
    }
  }

  async await(uid: string, request: AwaitRequest): Promise<void> {
    const known = this.moves.get(uid)
    if (!known) {
      this.moves.open(uid, { type: 'opened', atMs: this.life.monotonicMs(), role: 'destination', request })
      this.#seen(uid, 'opened')
      await this.receiver(uid).announce()
    } else if (known.role !== 'destination') throw new CodedError('WrongState', 'this node is its source already')
  }

  async move(uid: string, request: MoveRequest): Promise<void> {
    const known = this.moves.get(uid)
    if (!known) {
      this.moves.open(uid, { type: 'opened', atMs: this.life.monotonicMs(), role: 'source', request })
      this.#seen(uid, 'opened')
      this.source(uid).start()
    } else if (known.role !== 'source') throw new CodedError('WrongState', 'this node is its destination already')
  }

  async abort(uid: string, reason: string): Promise<void> {
    await this.#either(uid).tell({ type: 'abort', reason })
  }

  async finish(uid: string, outcome: 'committed' | 'aborted'): Promise<void> {
    await this.#either(uid).tell({ type: 'finish', outcome })
  }

  async resolve(uid: string, verdict: 'committed' | 'destinationGone'): Promise<void> {
    await this.source(uid).tell({ type: 'resolve', verdict })
  }

  // ---- asked by another agent

  async answer(word: PeerWord, uid: string, body: unknown): Promise<unknown> {
    if (word === 'divert') return this.hands.divert(uid, 'home')
    if (word === 'undivert') return this.hands.undoNetwork(uid)
    if (word === 'settle') return this.hands.settleNetwork(uid)
    if (word === 'goesOn') return this.#goesOn(uid)
    if (word === 'outcome') return this.#receiverOrTombstone(uid).outcome()
    const receiver = this.receiver(uid)
    if (word === 'standing') return receiver.standing()
    if (word === 'arm') return await receiver.arm()
    if (word === 'prepareHold') return receiver.prepareHold()
    if (word === 'hold') return await receiver.hold()
    if (word === 'images') return await receiver.images()
    if (word === 'restore') return await receiver.restore(body as Image)
    if (word === 'grant') return await receiver.grant(body as number)
    return await receiver.tell({ type: 'abort', reason: 'the source rolled back' })
  }

  #goesOn(uid: string): boolean {
    const move = this.moves.get(uid)
    if (move?.role !== 'source') return false
    if (goesOn(move)) return true
    this.tellSource(uid, { type: 'outcome', outcome: 'committed' })
    return false
  }

  async askPeer<T>(address: string, uid: string, word: PeerWord, timeoutMs: number, body?: unknown, signal?: AbortSignal): Promise<T> {
    const to = this.world.nodeAt(address)
    const asking = { from: this.life, to: to.name, timeoutMs, what: word, ...(signal ? { signal } : {}) }
    return (await this.world.wire.ask(
      asking,
      () => this.world.agentLife(to),
      async () => await this.world.agentOn(to).answer(word, uid, body),
    )) as T
  }

  // ---- decisions, and what everybody sees of them

  tellSource(uid: string, message: SourceMessage): SourceAction[] {
    const actions = this.moves.decideSource(uid, message)
    this.#seen(uid, message.type)
    return actions
  }

  tellDestination(uid: string, message: DestinationMessage): DestinationAction[] {
    const actions = this.moves.decideDestination(uid, message)
    this.#seen(uid, message.type)
    return actions
  }

  step(uid: string, step: MoveStep): void {
    if (!this.life.alive) return
    this.moves.step(uid, step)
    this.world.point(this.node, `step:${step}`, uid)
  }

  settled(uid: string): void {
    if (!this.life.alive) return
    this.moves.settled(uid)
    this.#seen(uid, 'settled')
  }

  /** What nobody waits for: a rejection that nobody handles ends a Node program, and kubelet starts it again. */
  background(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.world.crashAgent(this, error))
  }

  say(text: string): void {
    if (this.life.alive) this.world.tell(this.node.name, text)
  }

  #seen(uid: string, message: string): void {
    if (!this.life.alive) return
    const move = this.moves.get(uid)
    if (move) this.world.seeMove(this.node, move, message)
  }

  source(uid: string): SimSource {
    this.moves.source(uid)
    return take(this.#sources, uid, () => new SimSource(this, uid))
  }

  receiver(uid: string): SimReceiver {
    this.moves.destination(uid)
    return take(this.#receivers, uid, () => new SimReceiver(this, uid))
  }

  #receiverOrTombstone(uid: string): SimReceiver {
    if (!this.moves.get(uid)) {
      const failure = { code: 'NeverAwaited', message: 'this node does not know it' }
      this.moves.open(uid, { type: 'tombstone', atMs: this.life.monotonicMs(), failure })
      this.#seen(uid, 'tombstone')
    }
    return this.receiver(uid)
  }

  #either(uid: string): {
    tell(message: { type: 'abort'; reason: string } | { type: 'finish'; outcome: 'committed' | 'aborted' }): Promise<void>
  } {
    const move = this.moves.get(uid)
    if (!move) throw new CodedError('UnknownMigration', 'this node does not know it')
    return move.role === 'source' ? this.source(uid) : this.receiver(uid)
  }
}

function take<T>(map: Map<string, T>, uid: string, make: () => T): T {
  const known = map.get(uid) ?? make()
  map.set(uid, known)
  return known
}

/** A dead agent writes nothing more. */
function whileAlive(files: JournalFiles, life: Life): JournalFiles {
  return {
    names: () => files.names(),
    read: (name) => files.read(name),
    cut: (name, bytes) => life.alive && files.cut(name, bytes),
    append: (name, text) => (life.alive ? files.append(name, text) : Buffer.byteLength(text)),
    sync: (name) => life.alive && files.sync(name),
    remove: (name) => life.alive && files.remove(name),
    reserve: () => files.reserve(),
    useReserve: () => life.alive && files.useReserve(),
    close: () => undefined,
  }
}
