// Which connection tracking operations give the destination its legs: lines for `podmotion-helper conntrack apply`.
import type { Leg } from '../rooms.ts'
import { type ConntrackEntry, flowKey, type Protocol, type Tuple, tupleKey } from './conntrack-entries.ts'

export interface LegPlan {
  /** Lines for the helper, applied in one netlink batch. */
  lines: string[]
  /** Legs that were not there before: what a rollback deletes. */
  inserted: Leg[]
}

/**
 * The kernel deletes by a tuple of either direction, so an entry with address translation that this node owns (its own client through a
 * Service) is never touched: the flow it belongs to needs no leg. Plain entries of an earlier stay are replaced or removed.
 */
export function planLegs(ip: string, legs: readonly Leg[], existing: readonly ConntrackEntry[]): LegPlan {
  const translated = new Set(existing.filter(isTranslated).flatMap((entry) => [keyOf(entry, entry.original), keyOf(entry, entry.reply)]))
  const plain = new Set(existing.filter((entry) => !isTranslated(entry)).map((entry) => keyOf(entry, entry.original)))
  const wanted = legs.filter((leg) => !translated.has(flowKey(leg.protocol, leg)))
  const wantedFlows = new Set(wanted.map((leg) => flowKey(leg.protocol, leg)))
  const stale = existing.filter((entry) => !isTranslated(entry) && isOf(entry, ip) && !wantedFlows.has(keyOf(entry, entry.original)))
  return {
    lines: [...stale.map((entry) => deleteLine(entry.protocol, entry.original)), ...wanted.flatMap((leg) => replaceLines(leg))],
    inserted: wanted.filter((leg) => !plain.has(flowKey(leg.protocol, leg))),
  }
}

export function deleteLine(protocol: Protocol, tuple: Tuple): string {
  return `D ${tupleKey(protocol, tuple)}`
}

/** Deleted first: an entry that was there before would make the insertion fail or keep strict window tracking. */
function replaceLines(leg: Leg): string[] {
  const insert = `I ${tupleKey(leg.protocol, leg)} snat=- dnat=- mark=${leg.mark} wo=${leg.windowScaleOriginal} wr=${leg.windowScaleReply}`
  return [deleteLine(leg.protocol, leg), insert]
}

function isTranslated(entry: ConntrackEntry): boolean {
  return entry.sourceNat || entry.destinationNat
}

function isOf(entry: ConntrackEntry, ip: string): boolean {
  return entry.original.source === ip || entry.original.destination === ip
}

function keyOf(entry: ConntrackEntry, tuple: Tuple): string {
  return flowKey(entry.protocol, tuple)
}
