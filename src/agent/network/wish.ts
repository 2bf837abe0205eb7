// From the controller's wish and what the node has now to the commands that close the gap; addresses of open migrations are left alone.
import type { NetworkState } from '../../api/agent-wire.ts'
import { deleteRoute, proxyNeighbour, wayRoute } from './ip-batches.ts'
import type { Way, WayTo } from './ways.ts'

/** What the node has of ours now, as `ip -j` lists it. */
export interface NodeNetwork {
  routes: readonly { address: string; gateway?: string; device: string }[]
  proxies: readonly ProxiedAddress[]
}

export interface ProxiedAddress {
  address: string
  bridge: string
}

export interface NetworkPlan {
  commands: string[]
  /** Neighbours on the bridge have to be told, once. */
  announce: ProxiedAddress[]
  /** All that this node answers for. */
  proxies: ProxiedAddress[]
  /** Addresses whose lease at home must outlive the sandbox they were leased for: of a pod that is here it is the sandbox's, or ours since it left. */
  keepLeases: string[]
  /** Every address that a pod has: leases of ours outside this set are freed. */
  wantedAddresses: Set<string>
}

export interface NetworkWish {
  state: NetworkState
  owned: ReadonlySet<string>
  homeBridgeOf: (address: string) => string | undefined
  wayTo: WayTo
  /** Proxies whose neighbours this agent has told. A pod that was born beside the bridge (native/runc/birth.c) has its proxy already, and nobody was told. */
  told?: readonly ProxiedAddress[]
}

export function planNetwork(wish: NetworkWish, now: NodeNetwork): NetworkPlan {
  const { state, owned } = wish
  const attached = now.routes.filter((route) => route.gateway === undefined).map((route) => route.address)
  const away = awayFrom(wish, new Set(attached))
  const living = new Set([...away.keys(), ...attached])
  const proxies = [...living].flatMap((address) => {
    const bridge = owned.has(address) ? undefined : wish.homeBridgeOf(address)
    return bridge === undefined ? [] : [{ address, bridge }]
  })
  const missing = proxies.filter((proxy) => !now.proxies.some((have) => samePlace(have, proxy)))
  const leftover = now.proxies.filter((have) => !owned.has(have.address) && !proxies.some((proxy) => samePlace(have, proxy)))
  return {
    commands: [
      ...routeCommands(away, owned, now),
      ...missing.map((proxy) => proxyNeighbour('replace', proxy.address, proxy.bridge)),
      ...leftover.map((proxy) => proxyNeighbour('del', proxy.address, proxy.bridge)),
    ],
    announce: proxies.filter((proxy) => missing.includes(proxy) || !(wish.told ?? []).some((told) => samePlace(told, proxy))),
    proxies,
    keepLeases: proxies.map((proxy) => proxy.address).filter((address) => away.has(address)),
    wantedAddresses: new Set([...state.movable, ...state.moved.map((moved) => moved.ip), ...owned, ...attached]),
  }
}

/**
 * Moved pods that live on another node, by address. A route to a device of this node outweighs the wish: the kernel drops it with the
 * veth, so while it is there the pod is here, and the wish is older than the move.
 */
function awayFrom({ state, wayTo }: NetworkWish, attached: ReadonlySet<string>): Map<string, Way> {
  const elsewhere = state.moved.filter((moved) => !state.nodeIps.includes(moved.nodeIp) && !attached.has(moved.ip))
  return new Map(elsewhere.map((moved) => [moved.ip, wayTo(moved.nodeIp)]))
}

function routeCommands(away: ReadonlyMap<string, Way>, owned: ReadonlySet<string>, now: NodeNetwork): string[] {
  const current = new Map(now.routes.map((route) => [route.address, route]))
  const wrong = [...away].filter(([address, way]) => !owned.has(address) && !leads(current.get(address), way))
  const gone = now.routes.filter((route) => route.gateway !== undefined && !owned.has(route.address) && !away.has(route.address))
  return [...wrong.map(([address, way]) => wayRoute(address, way)), ...gone.map((route) => deleteRoute(route.address))]
}

function leads(route: NodeNetwork['routes'][number] | undefined, { gateway, device }: Way): boolean {
  return route?.gateway === gateway && (device ?? route.device) === route.device
}

function samePlace(one: ProxiedAddress, other: ProxiedAddress): boolean {
  return one.address === other.address && one.bridge === other.bridge
}
