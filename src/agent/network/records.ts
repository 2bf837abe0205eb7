// What each open migration changed on this node, one small file a migration: written before the change, read by undo and apply. They outlive the agent;
// those of a home are of nothing but its kernel, and go with it when the node boots.
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { AgentConfig } from '../config.ts'
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
  /** On the source: the pod's setting before the move. */
  lossProbes?: string
  /** On the destination: the veth whose neighbour queue holds the packets. */
  heldVeth?: string
  /** On the home: flows whose ports nobody else is given. On the source: those for which this is so when the pod has left. */
  reserved?: Leg[]
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

/** The source tells the home node when a move is over, for as long as this; when that was lost, this ends it. */
export const homeRecordsKeptMs = 10 * 60 * 1000

export class NetworkRecords {
  readonly #folder: string
  readonly #homeFolder: string

  constructor({ stateDir, runDir }: Pick<AgentConfig, 'stateDir' | 'runDir'>) {
    this.#folder = path.join(stateDir, 'network')
    this.#homeFolder = path.join(runDir, 'network')
  }

  async read(uid: string): Promise<NetworkRecord | undefined> {
    return (await readRecord(fileIn(this.#folder, uid))) ?? (await readRecord(fileIn(this.#homeFolder, uid)))
  }

  async write(record: NetworkRecord): Promise<void> {
    const folder = record.role === 'home' ? this.#homeFolder : this.#folder
    await mkdir(folder, { recursive: true })
    const file = fileIn(folder, record.uid)
    await writeFile(unfinished(file), JSON.stringify(record)).catch(async (error: unknown) => {
      await rm(unfinished(file), { force: true })
      throw error
    })
    await rename(unfinished(file), file)
  }

  /** Also what an agent left that ended in the middle of writing it. */
  async remove(uid: string): Promise<void> {
    const files = [this.#folder, this.#homeFolder].map((folder) => fileIn(folder, uid))
    await Promise.all(files.flatMap((file) => [file, unfinished(file)]).map((one) => rm(one, { force: true })))
  }

  async removeAll(): Promise<void> {
    await Promise.all([this.#folder, this.#homeFolder].map((folder) => rm(folder, { recursive: true, force: true })))
  }

  async list(): Promise<NetworkRecord[]> {
    const files = await Promise.all([this.#folder, this.#homeFolder].map(filesIn))
    const records = await Promise.all(files.flat().map(readRecord))
    return records.filter((record) => record !== undefined)
  }

  /** Of moves that may be under way, or whose end this node has yet to hear of: a home has no move of its own to ask. */
  async youngHomes(): Promise<NetworkRecord[]> {
    const files = await filesIn(this.#homeFolder)
    const ages = await Promise.all(files.map(ageMs))
    const records = await Promise.all(files.filter((_file, index) => (ages[index] ?? 0) < homeRecordsKeptMs).map(readRecord))
    return records.filter((record) => record !== undefined)
  }
}

function fileIn(folder: string, uid: string): string {
  if (!/^[0-9A-Za-z-]{1,64}$/.test(uid)) throw new Error(`Keeping the network record of a migration: "${uid}" is no UID`)
  return path.join(folder, `${uid}.json`)
}

async function filesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => [])
  return names.filter((name) => name.endsWith('.json')).map((name) => path.join(folder, name))
}

async function readRecord(file: string): Promise<NetworkRecord | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined)
  return text === undefined ? undefined : (JSON.parse(text) as NetworkRecord)
}

function unfinished(file: string): string {
  return `${file}.new`
}

async function ageMs(file: string): Promise<number> {
  const found = await stat(file).catch(() => undefined)
  return found ? Date.now() - found.mtimeMs : 0
}
