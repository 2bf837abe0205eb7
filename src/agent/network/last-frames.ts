// What a pod sends from its diversion until it is frozen, and that the stack or another node would lose: one table for its veth.
import { messageOf } from '../../runtime/errors.ts'
import { log } from '../../runtime/log.ts'
import { run } from '../run.ts'
import { familyOf, ipv4 } from './family.ts'
import { closeTables, deviceRuleSet, tablesNow } from './netdev-tables.ts'
import type { NetworkRecord } from './records.ts'
import type { Route } from './route-table.ts'
import { type UntrackedFlow, untrackedElement } from './rule-sets.ts'
import { type Hop, hopOf, type Way } from './ways.ts'

const prefix = 'podmotion_frames_'

export interface LastFrames {
  veth: string
  /** Of which the veth was a port: the pod goes on speaking to its neighbours there. */
  bridge: string | undefined
  own: OwnFrames | undefined
}

/** How the destination is reached for a pod's address. */
export interface WayOn extends Hop {
  ip: string
}

/** Flows of the pod to itself through a Service, as they look once translated: IPv4 only, IPv6 has no martian sources. */
export interface OwnFrames {
  ip: string
  flows: readonly UntrackedFlow[]
  /** Towards the destination. */
  uplink: string
}

/** None: the pod does not speak to itself, or not over IPv4. */
export function ownFrames(
  flows: readonly UntrackedFlow[] = [],
  diverted: readonly { ip: string; way: Way }[],
  routes: readonly Route[],
): OwnFrames | undefined {
  const own = flows.filter(({ tuple }) => familyOf(tuple.destination) === ipv4)
  const [to] = diverted.filter(({ ip }) => familyOf(ip) === ipv4)
  if (to === undefined || own.length === 0) return undefined
  const hop = hopOf(to.way, routes)
  return hop && { ip: to.ip, flows: own, uplink: hop.uplink }
}

/**
 * `frames`: off the bridge, frames to neighbours carry a MAC that is nobody's here. Taken for this node's own, they are routed; on the bridge,
 * where only their address counts, nothing changes.
 * `own`: what the pod says to itself would go to the destination and wait there. But the destination refuses it (martian) when it is the node
 * whose address stands in for the pod; so it never leaves: until the freeze the pod is here. The egress hook is in Linux since 5.16.
 */
export function lastFramesRuleSet({ veth, bridge, own }: LastFrames): string {
  return deviceRuleSet(framesTable(veth), {
    ...(bridge === undefined
      ? {}
      : { frames: { hook: `ingress device "${veth}" priority 0`, rules: ['meta pkttype other meta pkttype set host'] } }),
    ...(own ? { own: { hook: `egress device "${own.uplink}" priority 0`, rules: [ownRule(own, veth)] } } : {}),
  })
}

/**
 * The diversion is done, and the veth is about to leave the bridge: what a process of this node was about to send (it was preempted between its
 * route and its device) would be flooded to everybody else there.
 */
export function lateRuleSet(veth: string, bridge: string, ways: readonly WayOn[]): string {
  const rules = ways.map((way) => sentOn(way))
  return deviceRuleSet(framesTable(veth), { late: { hook: `egress device "${bridge}" priority 0`, rules } })
}

/** None for an address whose next hop no route leads to. */
export function waysOn(addresses: readonly { ip: string; way: Way }[], routes: readonly Route[]): WayOn[] {
  return addresses.flatMap(({ ip, way }) => {
    const hop = hopOf(way, routes)
    return hop === undefined ? [] : [{ ip, ...hop }]
  })
}

/** The next hop's MAC and the TTL are `fwd`'s. */
export function sentOn({ ip, gateway, uplink }: WayOn, matching = ''): string {
  const { nft } = familyOf(ip)
  return [`${nft} daddr ${ip}`, ...(matching ? [matching] : []), `fwd ${nft} to ${gateway} device "${uplink}"`].join(' ')
}

/** By flow, not by address: what others send under the same address has to wait on the destination. */
function ownRule({ ip, flows }: OwnFrames, veth: string): string {
  const elements = [...new Set(flows.map(untrackedElement))].join(', ')
  return `ip saddr . meta l4proto . th sport . ip daddr . th dport { ${elements} } fwd ip to ${ip} device "${veth}"`
}

/** What a move does to the frames of a pod that leaves; its name is its device's. */
export function framesTable(veth: string): string {
  return `${prefix}${veth.replaceAll(/\W/g, '_')}`
}

/** A kernel that cannot loses these until the pod is frozen; the pod sends them again, a second later. */
export async function takeFrames(frames: LastFrames): Promise<void> {
  if (frames.bridge === undefined && !frames.own) return
  await run('nft', ['-f', '-'], { input: lastFramesRuleSet(frames) }).catch((error: unknown) =>
    log.warn(
      { veth: frames.veth, reason: messageOf(error) },
      'what a pod sends to its neighbours and to itself is lost until it is frozen',
    ),
  )
}

export async function leaveFrames({ veth }: Pick<NetworkRecord, 'veth'>): Promise<void> {
  if (veth) await closeTables([framesTable(veth.name)])
}

/** Of moves that have no record any more: `records` are read after the tables, and each is written before its table is made. Returns their names. */
export async function sweepFrames(records: () => Promise<NetworkRecord[]>, dryRun: boolean): Promise<string[]> {
  const tables = await tablesNow(prefix)
  const owned = new Set((await records()).flatMap(({ veth }) => (veth ? [framesTable(veth.name)] : [])))
  const left = tables.filter((table) => !owned.has(table))
  if (!dryRun) await closeTables(left)
  return left
}
