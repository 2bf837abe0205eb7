// From conntrack entries and sockets on the source to the legs the destination needs, and to the reasons against the move.
import { isIpv6 } from '../../runtime/addresses.ts'
import type { PodSocket } from '../pod-tcp.ts'
import type { FlowChange, FlowSurvey, Leg, NodeReason } from '../rooms.ts'
import { type ConntrackEntry, flowKey, inverse, type Tuple, tupleKey } from './conntrack-entries.ts'
import { isTranslated, type LegPlace, legOf, sharesPort, translatedForms } from './flow-legs.ts'
import { isEstablished, isListener, isOutside } from './pod-sockets.ts'
import { isRelayMark } from './relay-marks.ts'

/** TCP states SYN_RECV to LAST_ACK (nf_conntrack): after that nobody counts on the flow. */
const firstLiveState = 2
const lastLiveState = 6
/** Connections named in a reason: enough to find them, not a page. */
const namedFlowsLimit = 5

export interface SurveyInput extends LegPlace {
  serviceIps: readonly string[]
  entries: readonly ConntrackEntry[]
  sockets: readonly PodSocket[]
  /** What the last look found. */
  known?: readonly Leg[]
}

export function surveyFlows(input: SurveyInput): FlowSurvey {
  const outside = input.sockets.filter(isOutside)
  const live = input.entries.filter((entry) => isLive(entry) && touches(entry, input.ips))
  const services = live.filter((entry) => isUntranslatedService(entry, input))
  const tracked = live.filter((entry) => !services.includes(entry)).map((entry) => legOf(entry, input))
  return {
    legs: [...tracked, ...forgottenLegs(input, tracked, outside), ...untrackedLegs(input, live, outside)],
    connections: outside.length,
    listeners: input.sockets.filter(isListener).length,
    openPorts: [...new Set(input.sockets.filter(isListener).map((socket) => socket.localPort))],
    reasons: [
      ...serviceReason(services),
      ...sharedPortReason(live.filter((entry) => sharesPort(entry, input.ips))),
      ...strayReason(outside, input.ips),
    ],
  }
}

export function changeOf(before: readonly Leg[], now: readonly Leg[]): FlowChange {
  const [known, present] = [before, now].map((legs) => new Set(legs.map(keyOf)))
  return { added: now.filter((leg) => !known?.has(keyOf(leg))), ended: before.filter((leg) => !present?.has(keyOf(leg))) }
}

function keyOf(leg: Leg): string {
  return tupleKey(leg.protocol, leg)
}

function isLive(entry: ConntrackEntry): boolean {
  return entry.protocol === 'udp' || (entry.state >= firstLiveState && entry.state <= lastLiveState)
}

function touches({ original, reply }: ConntrackEntry, ips: readonly string[]): boolean {
  return [original.source, original.destination, reply.source].some((address) => ips.includes(address))
}

/** The pod called a Service and nothing in this table says which endpoint answers: a proxy that is not netfilter keeps that to itself. */
function isUntranslatedService(entry: ConntrackEntry, { ips, serviceIps }: SurveyInput): boolean {
  return (
    ips.includes(entry.original.source) &&
    !isTranslated(entry) &&
    !isRelayMark(entry.mark) &&
    serviceIps.includes(entry.original.destination)
  )
}

/**
 * The table lost the entry, and the pod still has its end of the connection: it is not over, and only what was known before knows its
 * translation. The kernel drops a masqueraded entry as soon as its packets take another way, which the pod's diversion makes them do.
 */
function forgottenLegs({ known = [] }: SurveyInput, tracked: readonly Leg[], outside: readonly PodSocket[]): Leg[] {
  const present = new Set(tracked.map(keyOf))
  const sockets = new Map(outside.map((socket) => [flowKey('tcp', outgoingTuple(socket)), socket]))
  return known.flatMap((leg) => {
    const socket = leg.protocol === 'tcp' && !present.has(keyOf(leg)) ? sockets.get(flowKey('tcp', leg)) : undefined
    return socket ? [{ ...leg, ...closingOf(socket) }] : []
  })
}

/**
 * Connections that this node does not track: two pods on one bridge (bridge-nf-call-iptables=0). On the destination they are routed, so
 * they need their entry there, or the pod's next segment counts as a new outgoing flow and is masqueraded.
 */
function untrackedLegs(input: SurveyInput, live: readonly ConntrackEntry[], outside: readonly PodSocket[]): Leg[] {
  const known = new Set([
    ...live.flatMap((entry) => [flowKey(entry.protocol, entry.original), flowKey(entry.protocol, entry.reply)]),
    ...(input.known ?? []).flatMap((leg) => [leg, ...translatedForms(leg)].map((form) => flowKey(leg.protocol, form))),
  ])
  const listening = new Set(input.sockets.filter(isListener).map((socket) => socket.localPort))
  return outside
    .filter((socket) => input.ips.includes(socket.local))
    .map((socket) => ({ socket, tuple: listening.has(socket.localPort) ? inverse(outgoingTuple(socket)) : outgoingTuple(socket) }))
    .filter(({ tuple }) => !known.has(flowKey('tcp', tuple)) && !input.serviceIps.includes(tuple.destination))
    .map(({ socket, tuple }) => ({
      protocol: 'tcp' as const,
      ...tuple,
      mark: 0,
      windowScaleOriginal: 0,
      windowScaleReply: 0,
      ...closingOf(socket),
    }))
}

function closingOf(socket: PodSocket): Pick<Leg, 'closing'> {
  return isEstablished(socket) ? {} : { closing: true }
}

function outgoingTuple(socket: PodSocket): Tuple {
  return { source: socket.local, sourcePort: socket.localPort, destination: socket.remote, destinationPort: socket.remotePort }
}

function sharedPortReason(entries: readonly ConntrackEntry[]): NodeReason[] {
  if (entries.length === 0) return []
  const message = `${entries.length} flow(s) of the pod's own share their port with one through a Service to the same endpoint and would stand still while the pod moves: ${namesOf(entries)}`
  const remedy = 'end one of the two, or move with tcpPreservationMode BestEffort'
  return [{ code: 'SharedPort', message, remedy, blocking: false }]
}

function namesOf(entries: readonly ConntrackEntry[]): string {
  const named = entries.slice(0, namedFlowsLimit).map(describeFlow)
  const more = entries.length > named.length ? ` and ${entries.length - named.length} more` : ''
  return `${named.join(', ')}${more}`
}

function serviceReason(entries: readonly ConntrackEntry[]): NodeReason[] {
  if (entries.length === 0) return []
  const message = `${entries.length} flow(s) of the pod's own to a Service address that this node's netfilter did not translate, would be cut: ${namesOf(entries)}`
  const remedy = 'use kube-proxy in nftables or iptables mode, or move with tcpPreservationMode BestEffort: the pod will reconnect'
  return [{ code: 'ServiceFlow', message, remedy, blocking: false }]
}

function describeFlow({ protocol, original }: ConntrackEntry): string {
  return `${protocol} ${original.source}:${original.sourcePort} -> ${original.destination}:${original.destinationPort}`
}

/** Link-local ones, and all IPv6 where pods or nodes have none that Kubernetes knows of. */
function strayReason(outside: readonly PodSocket[], ips: readonly string[]): NodeReason[] {
  const strays = outside.filter(({ local }) => isIpv6(local) && !ips.includes(local))
  if (strays.length === 0) return []
  const named = [...new Set(strays.map(({ local }) => local))].slice(0, namedFlowsLimit).join(', ')
  const message = `${strays.length} connection(s) over IPv6 of an address that does not move with the pod: ${named}`
  const remedy = "use the pod's own addresses (status.podIPs), or its Service"
  return [{ code: 'Ipv6Flow', message, remedy, blocking: false }]
}
