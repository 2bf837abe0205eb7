// What each flow of a pod becomes on the destination: a plain entry, an entry with the translation, or a way through the node that stands in.
import { ofItsFamily } from '../../runtime/addresses.ts'
import type { Leg } from '../rooms.ts'
import { type ConntrackEntry, inverse, type Tuple } from './conntrack-entries.ts'
import { isRelayMark } from './relay-marks.ts'

export interface LegPlace {
  /** The pod's addresses and this node's, at most one of a family. */
  ips: readonly string[]
  nodeIps: readonly string[]
  /** Of a pod of the cluster: its node always sees the answers, because they are routed there. */
  isPodAddress: (address: string) => boolean
  /** The node that a mark of ours stands for on this node. */
  anchorOf: (mark: number) => string | undefined
}

const establishedState = 3

export function legOf(entry: ConntrackEntry, place: LegPlace): Leg {
  return place.ips.includes(entry.original.source) ? ownLeg(entry, place) : incomingLeg(entry, place)
}

/** The pod called out. */
function ownLeg(entry: ConntrackEntry, place: LegPlace): Leg {
  const leg = plainLeg(entry, entry.original)
  if (!isTranslated(entry)) return { ...leg, ...relayOf(entry, place) }
  // This node's address stands in for the pod: the other end knows no other, so the flow keeps its way through here.
  if (!goesAlong(entry, place.ips)) return { ...leg, ...throughHere(entry, place) }
  const destinationNat = { address: entry.reply.source, port: entry.reply.sourcePort }
  // To itself through its Service: the kernel needs an address between the two ends, and any node can play it. Or under another port of the
  // pod's: it had the same port in use towards that endpoint, and the kernel gave the later flow another one.
  if (entry.sourceNat) return { ...leg, destinationNat, sourceNat: { address: entry.reply.destination, port: entry.reply.destinationPort } }
  return { ...leg, destinationNat }
}

/** The pod's own flow whose translation belongs to the node where the pod is: an end of the answers is the pod's address, wherever that is. */
export function goesAlong(entry: ConntrackEntry, ips: readonly string[]): boolean {
  const { original, reply, sourceNat } = entry
  return (
    ips.includes(original.source) && isTranslated(entry) && (!sourceNat || ips.includes(reply.source) || ips.includes(reply.destination))
  )
}

/**
 * The pod's own, under another of its ports although it goes straight to its peer: the pod has a flow through a Service to the same endpoint
 * under this port, and half-way through a move the one's answers look like the other's. Datagrams may be lost.
 */
export function sharesPort({ protocol, original, reply, sourceNat, destinationNat }: ConntrackEntry, ips: readonly string[]): boolean {
  return protocol === 'tcp' && ips.includes(original.source) && sourceNat && !destinationNat && ips.includes(reply.destination)
}

/** Of the pod to itself through a Service. */
export function isToItself({ source, sourceNat, destinationNat }: Leg): boolean {
  return sourceNat !== undefined && destinationNat?.address === source
}

/**
 * A client of the pod. Seen on the pod's side of the translation that is the reply turned round: the client is then its true address, or
 * the node's where the node stands in for it. A client outside that keeps its address (externalTrafficPolicy Local) expects the answer from
 * this node, but the pod would answer it directly. It may be known there under another of its ports: two of its flows had the same one, one to
 * the pod and one to this node, and the kernel gave the later one another.
 */
function incomingLeg(entry: ConntrackEntry, place: LegPlace): Leg {
  const leg = plainLeg(entry, inverse(entry.reply))
  const outside = !place.isPodAddress(leg.source) && !place.nodeIps.includes(leg.source)
  if (isTranslated(entry) && outside) return { ...leg, ...throughHere(entry, place) }
  return { ...leg, ...relayOf(entry, place) }
}

function throughHere({ original }: ConntrackEntry, { nodeIps }: LegPlace): Pick<Leg, 'relayThrough'> {
  return { relayThrough: ofItsFamily(original.destination, nodeIps) }
}

/** A flow that is relayed already goes on through the node where it began. */
function relayOf(entry: ConntrackEntry, { anchorOf }: LegPlace): Pick<Leg, 'relayThrough'> {
  const relayThrough = isRelayMark(entry.mark) ? anchorOf(entry.mark) : undefined
  return relayThrough === undefined ? {} : { relayThrough }
}

function plainLeg(entry: ConntrackEntry, tuple: Tuple): Leg {
  return {
    protocol: entry.protocol,
    ...tuple,
    // Marks of ours are a node's own numbers.
    mark: isRelayMark(entry.mark) ? 0 : entry.mark,
    windowScaleOriginal: entry.windowScaleOriginal,
    windowScaleReply: entry.windowScaleReply,
    ...(entry.state > establishedState ? { closing: true } : {}),
  }
}

export function isTranslated(entry: ConntrackEntry): boolean {
  return entry.sourceNat || entry.destinationNat
}

/**
 * While a flow's translation exists on both nodes, each also gets the packets that the other one translated already. They pass untracked:
 * tracked, they would be new flows that collide with the entry, and the kernel would give them another port.
 */
export function translatedForms(leg: Leg): Tuple[] {
  const { destinationNat, sourceNat } = leg
  if (!destinationNat) return []
  const inside = {
    source: sourceNat?.address ?? leg.source,
    sourcePort: sourceNat?.port ?? leg.sourcePort,
    destination: destinationNat.address,
    destinationPort: destinationNat.port,
  }
  return [inside, inverse(leg)]
}
