// Flows of a pod as a node's connection table has them, and a survey of them.
import type { ConntrackEntry, Tuple } from '../../../src/agent/network/conntrack-entries.ts'
import { type SurveyInput, surveyFlows } from '../../../src/agent/network/flows.ts'
import { markOf } from '../../../src/agent/network/relay-marks.ts'
import type { Leg } from '../../../src/agent/rooms.ts'

export const pod = '10.244.1.5'
export const nodeIp = '172.30.0.1'
export const tuple = (source: string, sourcePort: number, destination: string, destinationPort: number): Tuple => ({
  source,
  sourcePort,
  destination,
  destinationPort,
})
export const turned = (one: Tuple): Tuple => tuple(one.destination, one.destinationPort, one.source, one.sourcePort)
export const entry = (original: Tuple, reply = turned(original), more: Partial<ConntrackEntry> = {}): ConntrackEntry => ({
  protocol: 'tcp',
  original,
  reply,
  sourceNat: reply.destination !== original.source,
  destinationNat: reply.source !== original.destination,
  mark: 0,
  state: 3,
  windowScaleOriginal: 7,
  windowScaleReply: 9,
  ...more,
})

export const direct = entry(tuple('10.244.3.9', 4000, pod, 80))
export const throughService = entry(tuple('10.244.1.9', 4001, '10.96.0.5', 80), tuple(pod, 8080, '10.244.1.9', 4001))
export const nodePort = entry(tuple('192.0.2.7', 4002, '172.30.0.1', 30080), tuple(pod, 8080, '172.30.0.1', 61000))
export const outgoing = entry(tuple(pod, 5000, '10.244.2.2', 5432))
export const ownService = entry(tuple(pod, 5001, '10.96.0.9', 5432), tuple('10.244.2.2', 5432, pod, 5001))
export const hairpin = entry(tuple(pod, 5003, '10.96.0.5', 80), tuple(pod, 8080, '10.244.1.1', 7777))
export const underAnotherPort = entry(tuple(pod, 5000, '10.96.0.9', 5432), tuple('10.244.2.2', 5432, pod, 31000), { sourceNat: true })
export const straightUnderAnotherPort = entry(tuple(pod, 5001, '10.244.2.2', 5432), tuple('10.244.2.2', 5432, pod, 31001), {
  sourceNat: true,
})
export const masqueraded = entry(tuple(pod, 5002, '203.0.113.1', 443), tuple('203.0.113.1', 443, '172.30.0.1', 5002))

export const localPolicy = entry(tuple('192.0.2.7', 4003, '172.30.0.1', 30080), tuple(pod, 8080, '192.0.2.7', 4003))
/** From a port that the client has in use straight to the pod as well, and the other way round. */
export const localUnderAnotherPort = entry(tuple('192.0.2.7', 4004, '172.30.0.1', 30080), tuple(pod, 8080, '192.0.2.7', 17657), {
  sourceNat: true,
})
export const directUnderAnotherPort = entry(tuple('192.0.2.7', 4005, pod, 8080), tuple(pod, 8080, '192.0.2.7', 17658), { sourceNat: true })

export const survey = (input: Partial<SurveyInput>) =>
  surveyFlows({
    ips: [pod],
    nodeIps: ['172.30.0.1'],
    isPodAddress: (address) => address.startsWith('10.244.'),
    anchorOf: (mark) => (mark === markOf(3) ? '172.30.0.3' : undefined),
    serviceIps: ['10.96.0.9'],
    entries: [],
    sockets: [],
    ...input,
  })

export const written = (leg: Leg): string => {
  const nat = (endpoint: Leg['sourceNat'], name: string) => (endpoint ? ` ${name} ${endpoint.address}:${endpoint.port}` : '')
  const relay = leg.relayThrough ? ` through ${leg.relayThrough}` : ''
  const flow = `${leg.source}:${leg.sourcePort} > ${leg.destination}:${leg.destinationPort}`
  return `${flow}${nat(leg.sourceNat, 'as')}${nat(leg.destinationNat, 'to')}${relay}`
}
