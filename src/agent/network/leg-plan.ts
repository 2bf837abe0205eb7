// Which connection tracking operations give the destination its legs: lines for `podmotion-helper conntrack apply`.
import { isIpv6 } from '../../runtime/addresses.ts'
import type { Endpoint, FlowChange, Leg } from '../rooms.ts'
import { type ConntrackEntry, flowKey, inverse, type Protocol, type Tuple, tupleKey } from './conntrack-entries.ts'
import { isTranslated, translatedForms } from './flow-legs.ts'

export interface LegPlan {
  /** Lines for the helper, applied in one netlink batch. */
  lines: string[]
  /** Legs that were not there before: what a rollback deletes. */
  inserted: Leg[]
}

/** The mark of a leg on this node: its own, or that of the node through which it is relayed. */
export type MarkOf = (leg: Leg) => number

/**
 * The kernel deletes by a tuple of either direction, so an entry with address translation that this node owns (its own client through a
 * Service, a flow of the pod that was masqueraded here and comes home) is never touched by a plain leg: that flow needs none. Plain
 * entries of an earlier stay are replaced or removed.
 */
export function planLegs(ips: readonly string[], legs: readonly Leg[], existing: readonly ConntrackEntry[], markOf: MarkOf): LegPlan {
  const wanted = withoutOwned(legs, existing)
  const plain = new Set(existing.filter((entry) => !isTranslated(entry)).map((entry) => keyOf(entry, entry.original)))
  const wantedFlows = new Set(wanted.map((leg) => flowKey(leg.protocol, leg)))
  const stale = existing.filter((entry) => !isTranslated(entry) && isOf(entry, ips) && !wantedFlows.has(keyOf(entry, entry.original)))
  return {
    lines: [
      ...stale.map((entry) => deleteLine(entry.protocol, entry.original)),
      ...wanted.flatMap((leg) => replaceLines(leg, markOf(leg))),
    ],
    inserted: wanted.filter((leg) => !plain.has(flowKey(leg.protocol, leg))),
  }
}

/** Only what changed since `planLegs`; the rest carries packets by now. */
export function planChange({ added, ended }: FlowChange, existing: readonly ConntrackEntry[], markOf: MarkOf): LegPlan {
  const fresh = withoutOwned(added, existing)
  const over = withoutOwned(ended, existing)
  return {
    lines: [...over.map((leg) => deleteLine(leg.protocol, leg)), ...fresh.flatMap((leg) => replaceLines(leg, markOf(leg)))],
    inserted: fresh,
  }
}

/** Legs that this node's table does not have as they should be, in words. */
export function missingLegs(legs: readonly Leg[], existing: readonly ConntrackEntry[], markOf: MarkOf): string[] {
  const found = new Map(existing.map((entry) => [tupleKey(entry.protocol, entry.original), entry]))
  return withoutOwned(legs, existing)
    .filter((leg) => !leg.closing && !isAsWanted(leg, found, markOf(leg)))
    .map(
      (leg) =>
        `${tupleKey(leg.protocol, leg)}${leg.destinationNat ? ` to ${text(leg.destinationNat)}` : ''} is not in the destination's connection table`,
    )
}

/** A plain leg may have been made by a packet of the other direction; a relayed or translated one is exact. */
function isAsWanted(leg: Leg, found: ReadonlyMap<string, ConntrackEntry>, mark: number): boolean {
  const entry = found.get(tupleKey(leg.protocol, leg))
  const { destinationNat, sourceNat } = leg
  if (destinationNat)
    return (
      entry?.reply.source === destinationNat.address &&
      entry.reply.sourcePort === destinationNat.port &&
      (sourceNat === undefined || entry.reply.destinationPort === sourceNat.port)
    )
  if (leg.relayThrough !== undefined) return entry?.mark === mark
  const turned = { source: leg.destination, sourcePort: leg.destinationPort, destination: leg.source, destinationPort: leg.sourcePort }
  return entry !== undefined || found.has(tupleKey(leg.protocol, turned))
}

function withoutOwned(legs: readonly Leg[], existing: readonly ConntrackEntry[]): Leg[] {
  const owned = new Set(existing.filter(isTranslated).flatMap((entry) => [keyOf(entry, entry.original), keyOf(entry, entry.reply)]))
  return legs.filter((leg) => leg.destinationNat !== undefined || !owned.has(flowKey(leg.protocol, leg)))
}

export function deleteLine(protocol: Protocol, tuple: Tuple): string {
  return `D ${tupleKey(protocol, tuple)}`
}

/** Its window is not judged from here on: the entry sees only one half of the flow. */
export function loosenLines(legs: readonly Leg[]): string[] {
  return legs.filter((leg) => leg.protocol === 'tcp').map((leg) => `L ${tupleKey(leg.protocol, leg)}`)
}

/**
 * Flows to the pod that this node's address stands in for, translated anew by a fixed rule's kind of translation: what was masqueraded (before
 * our rule was there: the node has just booted, or the pod is new) the kernel forgets as soon as its packets leave by another device.
 */
export function fixedLines(ip: string, existing: readonly ConntrackEntry[]): string[] {
  return existing
    .filter((entry) => entry.sourceNat && entry.reply.source === ip && isLasting(entry))
    .flatMap(({ protocol, original, reply, destinationNat, mark, windowScaleOriginal, windowScaleReply }) => [
      deleteLine(protocol, original),
      `I ${tupleKey(protocol, original)} snat=${text({ address: reply.destination, port: reply.destinationPort })}` +
        ` dnat=${text(destinationNat ? { address: reply.source, port: reply.sourcePort } : undefined)}` +
        ` mark=${mark} wo=${windowScaleOriginal} wr=${windowScaleReply}`,
    ])
}

const establishedState = 3

/** An entry that is written is established: one that is not yet or not any more would get too long a life. */
function isLasting({ protocol, state }: ConntrackEntry): boolean {
  return protocol === 'udp' || state === establishedState
}

/**
 * Deleted first: an entry that was there before would make the insertion fail or keep strict window tracking. Between the two ends of a pod's
 * flow to itself stands an address that is this node's own when the pod comes home, with a port that it may have given away since: but the
 * pod's end of that port is taken, so the other flow is over or cannot begin.
 */
function replaceLines(leg: Leg, mark: number): string[] {
  const [inside] = translatedForms(leg)
  const inTheWay = inside ? [inside, ...(leg.sourceNat ? [inverse(inside)] : [])] : []
  return [deleteLine(leg.protocol, leg), ...inTheWay.map((tuple) => deleteLine(leg.protocol, tuple)), insertLine(leg, mark)]
}

function insertLine(leg: Leg, mark: number): string {
  const nat = `snat=${text(leg.sourceNat)} dnat=${text(leg.destinationNat)}`
  return `I ${tupleKey(leg.protocol, leg)} ${nat} mark=${mark} wo=${leg.windowScaleOriginal} wr=${leg.windowScaleReply}`
}

/** For so long nobody else is given what stands between the ends of the flow here, although its packets do not pass this node. */
export function reserveLines(leg: Leg, seconds: number): string[] {
  return [deleteLine(leg.protocol, leg), `${insertLine(leg, leg.mark)} timeout=${seconds}`]
}

function text(endpoint: Endpoint | undefined): string {
  if (!endpoint) return '-'
  return isIpv6(endpoint.address) ? `[${endpoint.address}]:${endpoint.port}` : `${endpoint.address}:${endpoint.port}`
}

function isOf({ original }: ConntrackEntry, ips: readonly string[]): boolean {
  return ips.includes(original.source) || ips.includes(original.destination)
}

function keyOf(entry: ConntrackEntry, tuple: Tuple): string {
  return flowKey(entry.protocol, tuple)
}
