// What each open migration changed on this node, one small file a migration: written before the change, read by undo and apply.
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Leg } from '../rooms.ts'
import type { Veth } from './ip-batches.ts'
import type { Lease } from './leases.ts'
import type { HostRoute } from './route-table.ts'
import type { UntrackedFlow } from './rule-sets.ts'

export interface NetworkRecord {
  uid: string
  role: 'source' | 'destination' | 'home'
  addresses: RecordedAddress[]
  /** Legs inserted by arm. */
  legs?: Leg[]
  /** Flows that pass this node untracked in their translated form. */
  untracked?: UntrackedFlow[]
  /** On the source: those of them that are the pod's to itself. */
  own?: UntrackedFlow[]
  /** On the destination: ports of the held pod at which the guard lets packets pass. */
  knownPorts?: number[]
  veth?: Veth
  /** On the destination: the veth whose neighbour queue holds the packets. */
  heldVeth?: string
}

/** One of the pod's addresses. */
export interface RecordedAddress {
  ip: string
  /** The exact route before the migration; null: there was none. */
  previousRoute: HostRoute | null
  /** Bridge on which this migration made the node answer for the address. */
  proxyBridge?: string
  /** The lease as it was before. */
  lease?: Lease
}

export function ipsOf({ addresses }: NetworkRecord): string[] {
  return addresses.map(({ ip }) => ip)
}

export class NetworkRecords {
  readonly #folder: string

  constructor(stateDir: string) {
    this.#folder = path.join(stateDir, 'network')
  }

  async read(uid: string): Promise<NetworkRecord | undefined> {
    const text = await readFile(this.#file(uid), 'utf8').catch(() => undefined)
    return text === undefined ? undefined : (JSON.parse(text) as NetworkRecord)
  }

  async write(record: NetworkRecord): Promise<void> {
    await mkdir(this.#folder, { recursive: true })
    const file = this.#file(record.uid)
    await writeFile(unfinished(file), JSON.stringify(record)).catch(async (error: unknown) => {
      await rm(unfinished(file), { force: true })
      throw error
    })
    await rename(unfinished(file), file)
  }

  /** Also what an agent left that ended in the middle of writing it. */
  async remove(uid: string): Promise<void> {
    const file = this.#file(uid)
    await Promise.all([file, unfinished(file)].map((one) => rm(one, { force: true })))
  }

  async list(olderThanMs = 0): Promise<NetworkRecord[]> {
    const all = await readdir(this.#folder).catch(() => [])
    const names = olderThanMs > 0 ? await this.#older(all, olderThanMs) : all
    const uids = names.filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -'.json'.length))
    const records = await Promise.all(uids.map((uid) => this.read(uid)))
    return records.filter((record) => record !== undefined)
  }

  async #older(names: readonly string[], olderThanMs: number): Promise<string[]> {
    const ages = await Promise.all(names.map((name) => ageMs(path.join(this.#folder, name))))
    return names.filter((_name, index) => (ages[index] ?? 0) > olderThanMs)
  }

  #file(uid: string): string {
    if (!/^[0-9A-Za-z-]{1,64}$/.test(uid)) throw new Error(`Keeping the network record of a migration: "${uid}" is no UID`)
    return path.join(this.#folder, `${uid}.json`)
  }
}

function unfinished(file: string): string {
  return `${file}.new`
}

async function ageMs(file: string): Promise<number> {
  const found = await stat(file).catch(() => undefined)
  return found ? Date.now() - found.mtimeMs : 0
}
