// The `ip -batch` texts of each step. Only commands that cannot fail when the step is right: ip ends a batch at some errors even with -force.
import { ofItsFamily } from '../../runtime/addresses.ts'
import { familyOf, ipv4, ownRange } from './family.ts'
import { type HostRoute, routeArguments } from './route-table.ts'
import type { Way } from './ways.ts'

/** Marks our routes and proxy neighbours, so that they can be listed and never be mistaken for somebody else's. */
export const routeProtocol = 112

export interface Veth {
  name: string
  /** Bridge it was a port of; absent: point-to-point. */
  bridge?: string
  mac: string
  /** Settings of its port that leaving the bridge forgets. */
  port?: PortFlags
}

export interface PortFlags {
  hairpin: boolean
  isolated: boolean
}

export interface Holding {
  ips: readonly string[]
  hostVeth: string
  podMac: string
  /** What this node's own processes speak to the pod from: also where it goes next, answers must find back. */
  standIns: readonly string[]
}

/** Without neighbour entries the kernel's neighbour queue holds whatever is routed to the veth, until `releaseBatch`. */
export function forgetNeighbours({ ips, hostVeth, podMac }: Omit<Holding, 'standIns'>): string {
  return lines(
    ...ips.flatMap((ip) => [
      // `neigh del` of an absent entry would end the batch; replaced first, it is always there.
      `neigh replace ${ip} lladdr ${podMac} dev ${hostVeth} nud stale`,
      `neigh del ${ip} dev ${hostVeth}`,
    ]),
  )
}

/** From here the queue has all packets. */
export function holdBatch({ ips, hostVeth, standIns }: Omit<Holding, 'podMac'>): string {
  return lines(...ips.map((ip) => `route replace ${ownRange(ip)} dev ${hostVeth} proto ${routeProtocol}${sourceOf(ip, standIns)}`))
}

export function releaseBatch(ips: readonly string[], hostVeth: string, podMac: string): string {
  return lines(...ips.map((ip) => releaseQueue(ip, hostVeth, podMac)))
}

function releaseQueue(ip: string, device: string, mac: string): string {
  return `neigh replace ${ip} lladdr ${mac} dev ${device} nud permanent`
}

export interface Diversion {
  addresses: readonly DivertedAddress[]
  /** Present on the source. */
  veth?: Veth | undefined
}

export interface DivertedAddress {
  ip: string
  way: Way
  /** Bridge on which this node answers ARP or neighbour solicitations for the address: it is the home. */
  homeBridge?: string | undefined
}

/** Source and home. */
export function divertBatch({ addresses, veth }: Diversion): string {
  return lines(
    ...(veth && addresses.some(({ ip }) => familyOf(ip) === ipv4) ? [vethAddress(veth.name)] : []),
    ...addresses.map(({ ip, way }) => wayRoute(ip, way)),
    ...addresses.flatMap(({ ip, homeBridge }) => (homeBridge ? [proxyNeighbour('replace', ip, homeBridge)] : [])),
  )
}

/**
 * The pod runs until it is frozen, and its packets come from a device that its address does not lead to any more. A loose rp_filter lets
 * that pass only on a device that has an address, whichever; without one every packet is dropped. After a rollback it stays until the veth
 * goes (with the last address the kernel would take the device's routes and neighbours too), and the route back says from which address this
 * node's own processes speak to the pod: this one would be the kernel's choice, and nothing leads to it from where the pod goes next.
 */
function vethAddress(veth: string): string {
  return `addr replace 169.254.112.1/32 dev ${veth}`
}

/**
 * After the diversion, and after its neighbours were told: what they send until then still finds it on the bridge. It keeps sending to the bridge's
 * MAC until it is frozen: its veth takes that MAC, or the kernel would drop those packets as somebody else's.
 */
export function leaveBridgeBatch(veth: string, bridge: string, bridgeMac: string): string {
  return lines(pinMac(bridge, bridgeMac), `link set dev ${veth} address ${bridgeMac}`, `link set dev ${veth} nomaster`)
}

/**
 * A bridge takes the lowest MAC of its ports: when that port leaves, its MAC changes, and for every other pod on it the gateway is gone until
 * it asks again. An address that was set stays.
 */
export function pinMac(bridge: string, mac: string): string {
  return `link set dev ${bridge} address ${mac}`
}

export interface Restoration {
  addresses: readonly RestoredAddress[]
  standIns: readonly string[]
  veth?: Veth | undefined
  /** Device whose queue holds packets. */
  heldVeth?: string | undefined
  /** Addresses for which that device now leads back to the source. */
  givenBack?: readonly string[]
}

export interface RestoredAddress {
  ip: string
  /** Exact route before the migration; absent: there was none. */
  previous?: HostRoute | undefined
  /** A route of just this address exists now. */
  routed: boolean
}

/**
 * Taken down, the device forgets its queue without a word. Left there, a process of this node could not send again for minutes (TCP does
 * not repeat a segment that its own node still queues); deleting the neighbour instead would tell every sender that the host is unreachable.
 */
function dropHeld(veth: string): string {
  return `link set dev ${veth} down`
}

/** Frames under it leave the held veth another way (way-back.ts), or not at all. */
export const noMac = '02:00:00:00:00:00'

/**
 * The veth comes back before the route goes: at no instant does the address lead to a loop. What waits is given back right after the route: the
 * answer to a SYN of it is answered at once, and as long as the address led to the held veth that last segment of the handshake would be tracked
 * here, INVALID to a table that has not seen the answer, and dropped by kube-proxy's iptables mode.
 */
export function restoreBatch({ addresses, standIns, veth, heldVeth, givenBack = [] }: Restoration): string {
  return lines(
    ...(veth?.bridge ? joinBridge(veth, veth.bridge) : []),
    ...addresses.flatMap((address) => restoredRoute(address, standIns)),
    ...(heldVeth ? [...givenBack.map((ip) => releaseQueue(ip, heldVeth, noMac)), dropHeld(heldVeth)] : []),
  )
}

function restoredRoute({ ip, previous, routed }: RestoredAddress, standIns: readonly string[]): string[] {
  if (!previous) return routed ? [`route del ${ownRange(ip)}`] : []
  return [`route replace ${routeArguments(ip, previous)} proto ${routeProtocol}${previous.gateway ? '' : sourceOf(ip, standIns)}`]
}

function sourceOf(ip: string, standIns: readonly string[]): string {
  const standIn = ofItsFamily(ip, standIns)
  return standIn === undefined ? '' : ` src ${standIn}`
}

/** The veth first: its pod's address leads to the bridge from the next line on. */
export function rejoinBatch(ips: readonly string[], veth: string, bridge: string): string {
  return lines(`link set dev ${veth} master ${bridge}`, ...ips.map((ip) => `route del ${ownRange(ip)} dev ${veth} proto ${routeProtocol}`))
}

function joinBridge({ name, mac, port }: Veth, bridge: string): string[] {
  const flags = port ? [`link set dev ${name} type bridge_slave hairpin ${onOff(port.hairpin)} isolated ${onOff(port.isolated)}`] : []
  return [`link set dev ${name} master ${bridge}`, ...flags, `link set dev ${name} address ${mac}`]
}

function onOff(value: boolean): string {
  return value ? 'on' : 'off'
}

export function wayRoute(ip: string, way: Way): string {
  return `route replace ${ownRange(ip)} ${nextHop(way)} proto ${routeProtocol}`
}

export function nextHop({ gateway, device }: Way): string {
  return `via ${gateway}${device === undefined ? '' : ` dev ${device} onlink`}`
}

export function deleteRoute(ip: string): string {
  return `route del ${ownRange(ip)} proto ${routeProtocol}`
}

export function proxyNeighbour(verb: 'replace' | 'del', ip: string, bridge: string): string {
  return `neigh ${verb} proxy ${ip} dev ${bridge}${verb === 'replace' ? ` protocol ${routeProtocol}` : ''}`
}

function lines(...commands: string[]): string {
  return commands.map((command) => `${command}\n`).join('')
}
