// What a migration has changed on this node belongs to it: its record, made with everything as it was before the first change.
import { connectedBridges, readRoutes } from './kernel-files.ts'
import type { NetworkRecord, NetworkRecords, RecordedAddress } from './records.ts'
import { type HostRoute, hostRoute, type Route } from './route-table.ts'
import type { Turn } from './turn.ts'
import { tunnelDevices } from './ways.ts'

export interface Owned {
  record: NetworkRecord
  routes: Route[]
  /** Of an address whose home this is: the bridge that its neighbours are on. */
  bridgeOf: (ip: string) => string | undefined
}

export class Ownership {
  readonly #records: NetworkRecords
  readonly #turn: Turn

  constructor(records: NetworkRecords, turn: Turn) {
    this.#records = records
    this.#turn = turn
  }

  /** The record of this migration; made, with the routes as they were, before the first change. */
  of(uid: string, ips: readonly string[], role: NetworkRecord['role']): Promise<Owned> {
    return this.#turn.take(async () => {
      const routes = await readRoutes()
      const bridgeOf = await connectedBridges(routes)
      const known = await this.#records.read(uid)
      if (known) return { record: known, routes, bridgeOf }
      const record: NetworkRecord = { uid, role, addresses: ips.map((ip) => addressNow(ip, routes, bridgeOf(ip))) }
      await this.#records.write(record)
      return { record, routes, bridgeOf }
    })
  }
}

/** With a route of its own the pod was no port of the bridge, so the node answered for it already and goes on after a rollback. */
function addressNow(ip: string, routes: readonly Route[], bridge: string | undefined): RecordedAddress {
  const previous = hostRoute(routes, ip)
  if (previous) return { ip, previousRoute: routeAsIs(previous, tunnelDevices(routes)) }
  return { ip, previousRoute: null, ...(bridge ? { proxyBridge: bridge } : {}) }
}

/** Those of the addresses whose home is this node. */
export function homesOf(ips: readonly string[], bridgeOf: Owned['bridgeOf']): { ip: string; bridge: string }[] {
  return ips.flatMap((ip) => {
    const bridge = bridgeOf(ip)
    return bridge === undefined ? [] : [{ ip, bridge }]
  })
}

function routeAsIs({ device, gateway }: Route, tunnels: readonly string[]): HostRoute {
  return { device, ...(gateway === undefined ? {} : { gateway }), ...(tunnels.includes(device) ? { onlink: true } : {}) }
}
