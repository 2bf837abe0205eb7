// What an agent does to its node, as criu, runc, nft, ip and the files would do it; a dead agent does nothing.
import { CodedError } from '../../src/runtime/errors.ts'
import type { Life } from './life.ts'
import type { Awaited, Process, SimNode, StandIn } from './node.ts'
import { runs } from './node.ts'
import type { World } from './world.ts'

export interface Image {
  family: string
  version: number
}

export class Hands {
  readonly #world: World
  readonly #life: Life
  readonly node: SimNode

  constructor(world: World, life: Life, node: SimNode) {
    this.#world = world
    this.#life = life
    this.node = node
  }

  get #dead(): boolean {
    return !this.#life.alive
  }

  // ---- source

  writeMarker(podUid: string, uid: string): void {
    if (this.#dead || this.#world.wrong.noMarker) return
    if (this.node.journals.full) throw new Error('no space left on device')
    this.node.markers.set(podUid, uid)
  }

  removeMarker(podUid: string): void {
    if (!this.#dead) this.node.markers.delete(podUid)
  }

  freeze(podUid: string): void {
    const process = this.#processOf(podUid)
    if (!process) throw new CodedError('ContainerGone', `Freezing: pod ${podUid} has no process here`)
    process.frozen = true
  }

  isFrozen(podUid: string): boolean {
    return this.#processOf(podUid)?.frozen ?? false
  }

  thaw(podUid: string): void {
    const process = this.#processOf(podUid)
    if (!process?.frozen) return
    process.frozen = false
    process.version = this.#world.nextVersion()
    this.#world.tell(this.node.name, `pod ${this.#world.podName(podUid)} thawed`)
  }

  dump(podUid: string): Image {
    const process = this.#processOf(podUid)
    if (!process) throw new CodedError('DumpFailed', `Dumping: pod ${podUid} has no process here`)
    return { family: process.family, version: process.version }
  }

  /** Killed while frozen: not one instruction runs. */
  endSource(podUid: string, uid: string): void {
    const process = this.#processOf(podUid)
    if (process) this.#world.end(process, `ended by the source of ${uid}`, uid)
  }

  lock(uid: string, podUid: string): void {
    if (!this.#dead) this.node.locks.set(uid, podUid)
  }

  unlock(uid: string): void {
    if (!this.#dead) this.node.locks.delete(uid)
  }

  // ---- network

  divert(uid: string, role: 'source' | 'home'): void {
    if (!this.#dead) this.node.diverts.set(uid, { role, atMs: this.#world.loop.nowMs })
  }

  hold(uid: string, ip: string): void {
    if (!this.#dead) this.node.holds.set(uid, ip)
  }

  release(uid: string): void {
    if (this.node.letsNothingIn) throw new Error('ip exited 1')
    if (!this.#dead) this.node.holds.delete(uid)
  }

  undoNetwork(uid: string): void {
    if (this.#dead) return
    this.node.diverts.delete(uid)
    if (!this.#world.wrong.holdNotUndone) this.node.holds.delete(uid)
  }

  settleNetwork(uid: string): void {
    if (!this.#dead) this.node.diverts.delete(uid)
  }

  sweepNetwork(open: ReadonlySet<string>): void {
    if (this.#dead) return
    const home = new Set([...this.node.diverts].filter(([, { role }]) => role === 'home').map(([uid]) => uid))
    for (const table of [this.node.diverts, this.node.holds]) {
      for (const uid of table.keys()) if (!open.has(uid) && !home.has(uid)) table.delete(uid)
    }
    for (const uid of this.node.locks.keys()) if (!open.has(uid)) this.node.locks.delete(uid)
  }

  sweepHome(olderThanMs: number): void {
    if (this.#dead) return
    for (const [uid, route] of this.node.diverts)
      if (route.role === 'home' && this.#world.loop.nowMs - route.atMs > olderThanMs) this.node.diverts.delete(uid)
  }

  // ---- destination

  announce(key: string, uid: string): void {
    if (!this.#dead && !this.node.awaited.has(key)) this.node.awaited.set(key, { uid, attached: false })
  }

  awaited(key: string): Awaited | undefined {
    return this.node.awaited.get(key)
  }

  standIn(key: string): StandIn | undefined {
    return this.node.awaited.get(key)?.standIn
  }

  /** criu has built it: all there, nothing runs. */
  restore(key: string, image: Image): void {
    if (this.#dead) return
    const standIn = this.standIn(key)
    if (!standIn || standIn.status !== 'restoring') throw new CodedError('RestoreFailed', `Restoring ${key}: its stand-in is gone`)
    const process: Process = { podUid: standIn.podUid, ...image, frozen: false, ended: false, gate: 'shut' }
    standIn.process = process
    this.node.processes.push(process)
  }

  beginRestore(key: string): void {
    if (this.#dead) return
    const standIn = this.standIn(key)
    if (standIn?.status !== 'waiting')
      throw new CodedError('RestoreFailed', `Restoring ${key}: its stand-in is ${standIn?.status ?? 'missing'}`)
    standIn.status = 'restoring'
  }

  /** The decision is on disk before anything acts on it; a decision that was taken stays. */
  openGate(key: string): Process {
    const awaited = this.node.awaited.get(key)
    const process = awaited?.standIn?.process
    if (!awaited || !process || process.ended) throw new CodedError('RestoreFailed', `Opening the gate of ${key}: nobody waits there`)
    if (awaited.decision === 'abort') throw new CodedError('RestoreFailed', `Opening the gate of ${key}: it said abort`)
    awaited.decision = 'go'
    return process
  }

  resume(key: string): void {
    if (this.#dead) return
    const standIn = this.standIn(key)
    if (!standIn?.process || standIn.process.ended) throw new CodedError('RestoreFailed', `Resuming ${key}: it has ended`)
    this.#world.resume(standIn.process, this.node)
    standIn.status = 'running'
    this.node.restored.add(key)
  }

  startAfresh(key: string): void {
    if (this.#dead) return
    this.node.restored.add(key)
    const standIn = this.standIn(key)
    if (standIn && standIn.status !== 'running') this.#quit(key)
  }

  /** An attempt that was never let go. */
  discard(key: string): void {
    if (this.#dead) return
    const awaited = this.node.awaited.get(key)
    if (!awaited?.standIn || awaited.decision === 'go') return
    awaited.decision = 'abort'
    this.#quit(key)
  }

  removeAwaited(key: string): void {
    if (!this.#dead) this.node.awaited.delete(key)
  }

  #quit(key: string): void {
    const awaited = this.node.awaited.get(key)
    const process = awaited?.standIn?.process
    if (process && !process.ended) this.#world.end(process, 'discarded at the gate')
    if (awaited) delete awaited.standIn
  }

  // ---- files

  addImages(uid: string): void {
    if (!this.#dead) this.node.images.add(uid)
  }

  removeImages(uid: string): void {
    if (!this.#dead) this.node.images.delete(uid)
  }

  /** Of a source that runs, not of a received copy at its gate. */
  #processOf(podUid: string): Process | undefined {
    if (this.#dead) return undefined
    const process = this.node.processOf(podUid)
    return process && (runs(process) || process.frozen) ? process : undefined
  }
}
