// How another node is reached for a pod's address: directly, or through the tunnel by which this node reaches that node's own pods. Pure.
import { z } from 'zod'
import { areOfOneFamily } from '../../runtime/addresses.ts'
import { isConnected, type Route, routeTo } from './route-table.ts'

/** `device`: a tunnel, and the gateway is its far end, which no connected route leads to. */
export interface Way {
  gateway: string
  device?: string
}

/** For `fwd` of nftables, which knows no routes. */
export interface Hop {
  gateway: string
  uplink: string
}

export type WayTo = (nodeIp: string) => Way

/** Another node's address on a VXLAN device. */
export interface TunnelEnd {
  nodeIp: string
  address: string
}

type RouteThrough = Route & { gateway: string }

/** The far end of a tunnel is the node itself (IPIP), or has an address of the node's pod range (VXLAN). */
export function wayTo(nodeIp: string, routes: readonly Route[], ends: readonly TunnelEnd[]): Way {
  const addresses = [nodeIp, ...ends.filter((end) => end.nodeIp === nodeIp).map(({ address }) => address)]
  const route = tunnelRoutes(routes).find(({ gateway }) => addresses.includes(gateway))
  return route ? { gateway: route.gateway, device: route.device } : { gateway: nodeIp }
}

export function hopOf({ gateway, device }: Way, routes: readonly Route[]): Hop | undefined {
  const uplink = device ?? routeTo(routes, gateway)?.device
  return uplink === undefined ? undefined : { gateway, uplink }
}

export function tunnelDevices(routes: readonly Route[]): string[] {
  return [...new Set(tunnelRoutes(routes).map(({ device }) => device))]
}

/** Routes of ranges whose gateway is no neighbour as the kernel sees it: somebody made them with `onlink`. */
function tunnelRoutes(routes: readonly Route[]): RouteThrough[] {
  const through = routes.filter((route): route is RouteThrough => route.gateway !== undefined && route.bits !== 0)
  return through.filter(({ gateway, device }) => !isConnected(routes, gateway, device))
}

const Forwarding = z.array(z.object({ mac: z.string(), dst: z.string().optional() }))

const Neighbours = z.array(z.object({ dst: z.string(), lladdr: z.string().optional() }))

/**
 * From `bridge -j fdb show dev DEVICE` (the node behind a MAC), and /proc/net/arp and `ip -j -6 neigh show dev DEVICE` (the address that the MAC
 * answers for).
 */
export function tunnelEnds(device: string, forwarding: string, arp: string, ipv6Neighbours = ''): TunnelEnd[] {
  const nodes = new Map(Forwarding.parse(JSON.parse(forwarding || '[]')).map(({ mac, dst }) => [mac, dst]))
  const ipv4 = arp
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([address = '', , , mac = '', , on]) => (on === device ? [{ address, mac }] : []))
  const ipv6 = Neighbours.parse(JSON.parse(ipv6Neighbours || '[]')).map(({ dst, lladdr = '' }) => ({ address: dst, mac: lladdr }))
  return [...ipv4, ...ipv6].flatMap(({ address, mac }) => {
    const nodeIp = nodes.get(mac)
    return nodeIp === undefined || !areOfOneFamily(nodeIp, address) ? [] : [{ nodeIp, address }]
  })
}
