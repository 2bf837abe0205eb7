// What moves have left on this node: looked for by what the records say, and let go.
import type { FlowTables } from './flow-tables.ts'
import { readRoutes } from './kernel-files.ts'
import { sweepFrames } from './last-frames.ts'
import { ipsOf, type NetworkRecords } from './records.ts'
import { isAttached } from './route-table.ts'
import type { WaysBack } from './way-back.ts'

interface Rooms {
  records: NetworkRecords
  waysBack: WaysBack
  flows: FlowTables
  settle: (uid: string) => Promise<void>
}

export class Leftovers {
  readonly #records: NetworkRecords
  readonly #waysBack: WaysBack
  readonly #flows: FlowTables
  readonly #settle: (uid: string) => Promise<void>

  constructor({ records, waysBack, flows, settle }: Rooms) {
    this.#records = records
    this.#waysBack = waysBack
    this.#flows = flows
    this.#settle = settle
  }

  async sweepHome(): Promise<void> {
    const homes = (await this.#records.list()).filter(({ role }) => role === 'home')
    const young = new Set((await this.#records.youngHomes()).map(({ uid }) => uid))
    await Promise.all(homes.filter(({ uid }) => !young.has(uid)).map(({ uid }) => this.#settle(uid)))
  }

  async sweep(openUids: string[], dryRun: boolean): Promise<string[]> {
    const ways = await this.#waysBack.sweep(() => this.#records.list(), dryRun)
    const records = await this.#records.list()
    const open = new Set([...openUids, ...(await this.#records.youngHomes()).map(({ uid }) => uid)])
    const closed = records.filter((record) => !open.has(record.uid))
    // Only the ownership goes: what the routes should be is then the controller's wish again.
    if (!dryRun) await Promise.all(closed.map((record) => this.#settle(record.uid)))
    const settled = closed.map((record) => `network record of migration ${record.uid} (${record.role} of ${ipsOf(record).join(', ')})`)
    const frames = await sweepFrames(() => this.#records.list(), dryRun)
    return [...settled, ...ways.map((table) => `way back ${table}`), ...frames.map((table) => `rules ${table} of a pod that has left`)]
  }

  async sweepRelays(): Promise<Map<string, number>> {
    const records = await this.#records.list()
    const routes = await readRoutes()
    const held = new Set(records.flatMap(ipsOf))
    const isHere = (ip: string): boolean => held.has(ip) || isAttached(routes, ip)
    const keep = new Set(records.flatMap(({ legs = [] }) => legs.flatMap(({ relayThrough }) => relayThrough ?? [])))
    return await this.#flows.sweepRelays(isHere, keep)
  }
}
