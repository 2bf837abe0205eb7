// The kernel's routes from the texts of /proc/net/route and /proc/net/ipv6_route: no process is started inside a hold to read them.
import { addressOf, contains } from '../../runtime/addresses.ts'
import { familyOf, ownRange } from './family.ts'

export interface Route {
  destination: string
  bits: number
  device: string
  gateway?: string
}

/** `onlink`: the gateway is not looked for among this node's networks. */
export type HostRoute = Pick<Route, 'device' | 'gateway'> & { onlink?: boolean }

/** RTF_REJECT: blackhole and unreachable routes name no device, or `lo`. */
const rejectFlag = 0x200
/** RTF_ANYCAST and RTF_LOCAL: the kernel's own table of this node's addresses. */
const ownFlags = 0x8010_0000

export function parseRouteTable(text: string): Route[] {
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length >= 8 && (Number.parseInt(fields[3] ?? '0', 16) & rejectFlag) === 0)
    .map(([device = '', destination = '', gateway = '', , , , , mask = '']) => ({
      destination: addressOf(swapped(destination)),
      bits: swapped(mask).reduce((sum, group) => sum + onesIn(group), 0),
      device,
      ...(/^0*$/.test(gateway) ? {} : { gateway: addressOf(swapped(gateway)) }),
    }))
}

/** The kernel prints the big-endian word as the machine's (little-endian) number. */
function swapped(hex: string): number[] {
  const [a = 0, b = 0, c = 0, d = 0] = Buffer.from(hex, 'hex').reverse()
  return [a * 256 + b, c * 256 + d]
}

function onesIn(group: number): number {
  return group.toString(2).replaceAll('0', '').length
}

/** Of all tables: what a relay's has is a default route, which decides about no pod's address. */
export function parseIpv6RouteTable(text: string): Route[] {
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length >= 10 && (Number.parseInt(fields[8] ?? '0', 16) & (rejectFlag | ownFlags)) === 0)
    .map(([destination = '', bits = '', , , gateway = '', , , , , device = '']) => ({
      destination: parseIpv6Hex(destination),
      bits: Number.parseInt(bits, 16),
      device,
      ...(/^0*$/.test(gateway) ? {} : { gateway: parseIpv6Hex(gateway) }),
    }))
}

function parseIpv6Hex(hex: string): string {
  return addressOf((hex.match(/.{4}/g) ?? []).map((group) => Number.parseInt(group, 16)))
}

/** The route of exactly this address, if there is one. */
export function hostRoute(routes: readonly Route[], address: string): Route | undefined {
  return routes.find((route) => isHostRoute(route) && route.destination === address)
}

function isHostRoute({ destination, bits }: Route): boolean {
  return bits === familyOf(destination).hostBits
}

/** The route that a packet to the address takes: the longest prefix. */
export function routeTo(routes: readonly Route[], address: string): Route | undefined {
  const fitting = routes.filter((route) => holds(route, address))
  return fitting.reduce<Route | undefined>((best, route) => (best && best.bits >= route.bits ? best : route), undefined)
}

/** Connected routes (no gateway, no host route) that hold the address: at home, the bridge is the device of one. */
export function connectedDevices(routes: readonly Route[], address: string): string[] {
  return routes
    .filter((route) => route.gateway === undefined && !isHostRoute(route) && route.bits !== 0 && holds(route, address))
    .map((route) => route.device)
}

export function isConnected(routes: readonly Route[], address: string, device: string): boolean {
  return routes.some((route) => route.device === device && route.gateway === undefined && holds(route, address))
}

function holds({ destination, bits }: Route, address: string): boolean {
  return contains(`${destination}/${bits}`, address)
}

export function routeArguments(address: string, { device, gateway, onlink }: HostRoute): string {
  return `${ownRange(address)}${gateway === undefined ? '' : ` via ${gateway}`} dev ${device}${onlink ? ' onlink' : ''}`
}

/** A route of just the address to a device: the pod is attached to this node. */
export function isAttached(routes: readonly Route[], ip: string): boolean {
  const route = hostRoute(routes, ip)
  return route !== undefined && route.gateway === undefined
}
