// From conntrack entries and sockets on the source to the legs the destination needs, and to the reasons against the move.
import type { FlowSurvey, Leg, NodeReason } from '../rooms.ts'
import { type ConntrackEntry, flowKey, inverse, type Tuple } from './conntrack-entries.ts'
import { isIpv6, isListener, isOutside, type PodSocket } from './pod-sockets.ts'

/** TCP states SYN_SENT to LAST_ACK (nf_conntrack): after that nobody counts on the flow. */
const lastLiveState = 6
const firstEstablishedState = 3
/** Connections named in a reason: enough to find them, not a page. */
const namedFlowsLimit = 5

export interface SurveyInput {
  ip: string
  serviceIps: readonly string[]
  entries: readonly ConntrackEntry[]
  sockets: readonly PodSocket[]
}

export function surveyFlows(input: SurveyInput): FlowSurvey {
  const outside = input.sockets.filter(isOutside)
  const live = input.entries.filter((entry) => isLive(entry) && touches(entry, input.ip))
  const services = live.filter((entry) => isServiceFlow(entry, input))
  const masqueraded = live.filter((entry) => isMasqueraded(entry, input))
  const tracked = live.filter((entry) => !services.includes(entry) && !masqueraded.includes(entry)).map((entry) => legOf(entry, input.ip))
  return {
    legs: [...tracked, ...untrackedLegs(input, live, outside)],
    connections: outside.length,
    listeners: input.sockets.filter(isListener).length,
    reasons: [...flowReason(serviceReason, services), ...flowReason(masqueradedReason, masqueraded), ...ipv6Reason(outside)],
  }
}

function isLive(entry: ConntrackEntry): boolean {
  return entry.protocol === 'udp' || (entry.state >= firstEstablishedState && entry.state <= lastLiveState)
}

function touches(entry: ConntrackEntry, ip: string): boolean {
  return entry.original.source === ip || entry.original.destination === ip || entry.reply.source === ip
}

/** R4: the pod called a Service; which endpoint was chosen is only written on this node. */
function isServiceFlow(entry: ConntrackEntry, { ip, serviceIps }: SurveyInput): boolean {
  return entry.original.source === ip && (entry.destinationNat || serviceIps.includes(entry.original.destination))
}

/** R5: the pod called out and this node's address stands in for it. */
function isMasqueraded(entry: ConntrackEntry, input: SurveyInput): boolean {
  return entry.original.source === input.ip && entry.sourceNat && !isServiceFlow(entry, input)
}

/**
 * The flow as seen on the pod's side of this node's address translation. Towards the pod that is the reply turned round: the client is
 * then its true address, or the node's where the node stands in for it.
 */
function legOf(entry: ConntrackEntry, ip: string): Leg {
  const tuple = entry.original.source === ip ? entry.original : inverse(entry.reply)
  return {
    protocol: entry.protocol,
    ...tuple,
    mark: entry.mark,
    windowScaleOriginal: entry.windowScaleOriginal,
    windowScaleReply: entry.windowScaleReply,
  }
}

/**
 * Connections that this node does not track: two pods on one bridge (bridge-nf-call-iptables=0). On the destination they are routed, so
 * they need their entry there, or the pod's next segment counts as a new outgoing flow and is masqueraded.
 */
function untrackedLegs(input: SurveyInput, live: readonly ConntrackEntry[], outside: readonly PodSocket[]): Leg[] {
  const known = new Set(live.map((entry) => flowKey(entry.protocol, entry.original.source === input.ip ? entry.original : entry.reply)))
  const listening = new Set(input.sockets.filter(isListener).map((socket) => socket.localPort))
  return outside
    .filter((socket) => socket.local === input.ip && !isIpv6(socket))
    .map((socket) => (listening.has(socket.localPort) ? inverse(outgoingTuple(socket)) : outgoingTuple(socket)))
    .filter((tuple) => !known.has(flowKey('tcp', tuple)) && !input.serviceIps.includes(tuple.destination))
    .map((tuple) => ({ protocol: 'tcp' as const, ...tuple, mark: 0, windowScaleOriginal: 0, windowScaleReply: 0 }))
}

function outgoingTuple(socket: PodSocket): Tuple {
  return { source: socket.local, sourcePort: socket.localPort, destination: socket.remote, destinationPort: socket.remotePort }
}

interface FlowReasonWords {
  code: string
  what: string
  remedy: string
}

const serviceReason: FlowReasonWords = {
  code: 'ServiceFlow',
  what: 'opened through a Service address, whose translation lives on this node only',
  remedy: 'let the pod connect to the endpoint itself (headless Service), or move with tcpPreservationMode BestEffort: it will reconnect',
}

const masqueradedReason: FlowReasonWords = {
  code: 'MasqueradedFlow',
  what: "leaving the cluster under this node's address",
  remedy: 'exempt that destination from masquerading, or move with tcpPreservationMode BestEffort: the pod will reconnect',
}

function flowReason(words: FlowReasonWords, entries: readonly ConntrackEntry[]): NodeReason[] {
  if (entries.length === 0) return []
  const named = entries.slice(0, namedFlowsLimit).map(describeFlow)
  const more = entries.length > named.length ? ` and ${entries.length - named.length} more` : ''
  const message = `${entries.length} flow(s) of the pod's own ${words.what}, would be cut: ${named.join(', ')}${more}`
  return [{ code: words.code, message, remedy: words.remedy, blocking: false }]
}

function describeFlow({ protocol, original }: ConntrackEntry): string {
  return `${protocol} ${original.source}:${original.sourcePort} -> ${original.destination}:${original.destinationPort}`
}

function ipv6Reason(outside: readonly PodSocket[]): NodeReason[] {
  const count = outside.filter(isIpv6).length
  if (count === 0) return []
  const message = `${count} connection(s) over IPv6: only IPv4 flows can be kept`
  return [{ code: 'Ipv6Flow', message, remedy: 'let clients use the IPv4 address of the pod or Service', blocking: false }]
}
