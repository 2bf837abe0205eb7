// One node as it really is: its disk, its memory, its processes, its tables. What survives a reboot and what does not.
import type { JournalFiles } from '../../src/agent/journal/journal.ts'
import type { Dice } from './dice.ts'
import type { MachineClock } from './life.ts'

/** One copy of a pod's program. */
export interface Process {
  podUid: string
  /** The pod and all that were made from it: of these only one may run. */
  family: string
  /** Which history of the family's memory it has: every run of it makes a new one. */
  version: number
  frozen: boolean
  ended: boolean
  /** `gate`: restored, and nothing of it has run. */
  gate: 'none' | 'shut' | 'open'
}

export interface StandIn {
  podUid: string
  status: 'waiting' | 'restoring' | 'running' | 'failed'
  process?: Process
}

/** Where agent, CNI plugin and OCI wrapper meet about one awaited pod. In memory: lost at a reboot. */
export interface Awaited {
  uid: string
  attached: boolean
  standIn?: StandIn
  /** The gate's own word, on disk before anything acts on it. */
  decision?: 'go' | 'abort'
}

export interface Route {
  role: 'source' | 'destination' | 'home'
  atMs: number
}

/** Everything that a change of ours leaves on a node is here, by the migration that owns it. */
export class SimNode {
  readonly name: string
  readonly number: number
  readonly clock: MachineClock
  up = true
  gone = false
  /** It was, and came back. */
  wasGone = false
  /** `ip` fails. */
  letsNothingIn = false
  // On disk.
  readonly journals: SimDisk
  /** Pod UID to migration: no second start. */
  readonly markers = new Map<string, string>()
  /** `namespace_pod`: its state has lived. */
  readonly restored = new Set<string>()
  /** kubelet's folders of pods, by UID: `namespace_pod`. They outlive a reboot. */
  readonly podFolders = new Map<string, string>()
  // In memory.
  readonly awaited = new Map<string, Awaited>()
  readonly images = new Set<string>()
  readonly holds = new Map<string, string>()
  readonly diverts = new Map<string, Route>()
  /** Migration to source pod: it goes with the pod's namespace. */
  readonly locks = new Map<string, string>()
  readonly processes: Process[] = []
  /** Pods that kubelet has a sandbox of. */
  readonly sandboxes = new Map<string, { name: string; graceEndMs?: number }>()

  constructor(name: string, number: number, clock: MachineClock, neverSyncs: boolean) {
    this.journals = new SimDisk(neverSyncs)
    this.name = name
    this.number = number
    this.clock = clock
  }

  get ip(): string {
    return `192.168.0.${this.number}`
  }

  get address(): string {
    return `${this.ip}:8090`
  }

  processOf(podUid: string): Process | undefined {
    return this.processes.find((process) => process.podUid === podUid && !process.ended)
  }

  /** Power is cut: what was not on disk is not there any more. */
  losePower(dice: Dice): void {
    for (const process of this.processes) process.ended = true
    this.processes.length = 0
    this.journals.losePower(dice)
    for (const memory of [this.awaited, this.images, this.holds, this.diverts, this.locks, this.sandboxes]) memory.clear()
  }
}

export function runs(process: Process): boolean {
  return !process.ended && !process.frozen && process.gate !== 'shut'
}

const reserveBytes = 512 * 1024

/** Files that keep what was synced; of the rest a power cut leaves any beginning. */
export class SimDisk implements JournalFiles {
  readonly #files = new Map<string, { synced: string; written: string }>()
  readonly #neverSyncs: boolean
  #reserved = false
  full = false
  /** Of a full disk. */
  spareBytes = 0

  constructor(neverSyncs: boolean) {
    this.#neverSyncs = neverSyncs
  }

  names(): string[] {
    return [...this.#files.keys()]
  }

  read(name: string): string {
    const file = this.#file(name)
    return file.synced + file.written
  }

  cut(name: string, bytes: number): void {
    const { synced, written } = this.#file(name)
    const syncedBytes = Buffer.byteLength(synced)
    this.#files.set(name, { synced: beginning(synced, bytes), written: beginning(written, Math.max(0, bytes - syncedBytes)) })
  }

  append(name: string, text: string): number {
    const bytes = Buffer.byteLength(text)
    const fits = this.full ? Math.min(bytes, this.spareBytes) : bytes
    if (fits === 0 && bytes > 0) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
    if (this.full) this.spareBytes -= fits
    this.#file(name).written += beginning(text, fits)
    return fits
  }

  reserve(): boolean {
    this.#reserved ||= !this.full
    return this.#reserved
  }

  useReserve(): boolean {
    if (!this.#reserved) return false
    this.#reserved = false
    this.spareBytes += reserveBytes
    return true
  }

  sync(name: string): void {
    if (this.#neverSyncs) return
    const file = this.#file(name)
    file.synced += file.written
    file.written = ''
  }

  remove(name: string): void {
    this.#files.delete(name)
  }

  close(): void {}

  losePower(dice: Dice): void {
    for (const file of this.#files.values()) {
      file.synced += file.written.slice(0, dice.integer(0, file.written.length))
      file.written = ''
    }
  }

  #file(name: string): { synced: string; written: string } {
    const known = this.#files.get(name) ?? { synced: '', written: '' }
    this.#files.set(name, known)
    return known
  }
}

function beginning(text: string, bytes: number): string {
  return Buffer.from(text).subarray(0, bytes).toString()
}
