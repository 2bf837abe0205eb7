// The kernel's main IPv4 routes from the text of /proc/net/route: no process is started inside a hold to read them.
import { addressToNumber, numberToAddress } from './addresses.ts'

export interface Route {
  destination: number
  mask: number
  device: string
  gateway?: string
}

/** `onlink`: the gateway is not looked for among this node's networks. */
export type HostRoute = Pick<Route, 'device' | 'gateway'> & { onlink?: boolean }

const hostMask = 0xffffffff
/** RTF_REJECT: blackhole and unreachable routes name no device. */
const rejectFlag = 0x200

export function parseRouteTable(text: string): Route[] {
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length >= 8 && (Number.parseInt(fields[3] ?? '0', 16) & rejectFlag) === 0)
    .map(([device = '', destination = '', gateway = '', , , , , mask = '']) => {
      const via = swapped(gateway)
      return { destination: swapped(destination), mask: swapped(mask), device, ...(via === 0 ? {} : { gateway: numberToAddress(via) }) }
    })
}

/** The kernel prints the big-endian word as the machine's (little-endian) number. */
function swapped(hex: string): number {
  const value = Number.parseInt(hex, 16)
  return (((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0
}

/** The route of exactly this address, if there is one. */
export function hostRoute(routes: readonly Route[], address: string): Route | undefined {
  const wanted = addressToNumber(address)
  return routes.find((route) => route.mask === hostMask && route.destination === wanted)
}

/** The route that a packet to the address takes: the longest prefix. */
export function routeTo(routes: readonly Route[], address: string): Route | undefined {
  const wanted = addressToNumber(address)
  const fitting = routes.filter((route) => (wanted & route.mask) >>> 0 === route.destination)
  return fitting.reduce<Route | undefined>((best, route) => (best && best.mask >= route.mask ? best : route), undefined)
}

/** Connected routes (no gateway, no host route) that hold the address: at home, the bridge is the device of one. */
export function connectedDevices(routes: readonly Route[], address: string): string[] {
  const wanted = addressToNumber(address)
  return routes
    .filter((route) => route.gateway === undefined && route.mask !== hostMask && route.mask !== 0)
    .filter((route) => (wanted & route.mask) >>> 0 === route.destination)
    .map((route) => route.device)
}

export function isConnected(routes: readonly Route[], address: string, device: string): boolean {
  const wanted = addressToNumber(address)
  return routes.some((route) => route.device === device && route.gateway === undefined && (wanted & route.mask) >>> 0 === route.destination)
}

export function routeArguments(address: string, { device, gateway, onlink }: HostRoute): string {
  return `${address}/32${gateway === undefined ? '' : ` via ${gateway}`} dev ${device}${onlink ? ' onlink' : ''}`
}
