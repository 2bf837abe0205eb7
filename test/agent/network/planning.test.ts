// The pure half of the network room, by tables: which flows become legs or reasons, what closes the gap to a wish, the texts for ip and nft.
import { expect } from 'chai'
import type { ConntrackEntry, Tuple } from '../../../src/agent/network/conntrack-entries.ts'
import { parseEntries, refusedLines } from '../../../src/agent/network/conntrack-entries.ts'
import { translatedForms } from '../../../src/agent/network/flow-legs.ts'
import { changeOf, type SurveyInput, surveyFlows } from '../../../src/agent/network/flows.ts'
import {
  divertBatch,
  forgetNeighbours,
  holdBatch,
  leaveBridgeBatch,
  releaseBatch,
  restoreBatch,
} from '../../../src/agent/network/ip-batches.ts'
import { fixedLines, missingLegs, planChange, planLegs } from '../../../src/agent/network/leg-plan.ts'
import { parseProxies, parseRoutes } from '../../../src/agent/network/node-network.ts'
import { markOf, ruleOf } from '../../../src/agent/network/relay-marks.ts'
import { connectedDevices, hostRoute, parseIpv6RouteTable, parseRouteTable, routeTo } from '../../../src/agent/network/route-table.ts'
import { armRuleSet, disarmRuleSet, nodeRuleSet } from '../../../src/agent/network/rule-sets.ts'
import type { Way } from '../../../src/agent/network/ways.ts'
import { planNetwork } from '../../../src/agent/network/wish.ts'
import type { Leg } from '../../../src/agent/rooms.ts'

const pod = '10.244.1.5'
const nodeIp = '172.30.0.1'
const tuple = (source: string, sourcePort: number, destination: string, destinationPort: number): Tuple => ({
  source,
  sourcePort,
  destination,
  destinationPort,
})
const turned = (one: Tuple): Tuple => tuple(one.destination, one.destinationPort, one.source, one.sourcePort)
const entry = (original: Tuple, reply = turned(original), more: Partial<ConntrackEntry> = {}): ConntrackEntry => ({
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

const direct = entry(tuple('10.244.3.9', 4000, pod, 80))
const throughService = entry(tuple('10.244.1.9', 4001, '10.96.0.5', 80), tuple(pod, 8080, '10.244.1.9', 4001))
const nodePort = entry(tuple('192.0.2.7', 4002, '172.30.0.1', 30080), tuple(pod, 8080, '172.30.0.1', 61000))
const outgoing = entry(tuple(pod, 5000, '10.244.2.2', 5432))
const ownService = entry(tuple(pod, 5001, '10.96.0.9', 5432), tuple('10.244.2.2', 5432, pod, 5001))
const hairpin = entry(tuple(pod, 5003, '10.96.0.5', 80), tuple(pod, 8080, '10.244.1.1', 7777))
const underAnotherPort = entry(tuple(pod, 5000, '10.96.0.9', 5432), tuple('10.244.2.2', 5432, pod, 31000), { sourceNat: true })
const straightUnderAnotherPort = entry(tuple(pod, 5001, '10.244.2.2', 5432), tuple('10.244.2.2', 5432, pod, 31001), { sourceNat: true })
const masqueraded = entry(tuple(pod, 5002, '203.0.113.1', 443), tuple('203.0.113.1', 443, '172.30.0.1', 5002))

const localPolicy = entry(tuple('192.0.2.7', 4003, '172.30.0.1', 30080), tuple(pod, 8080, '192.0.2.7', 4003))

const survey = (input: Partial<SurveyInput>) =>
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

const written = (leg: Leg): string => {
  const nat = (endpoint: Leg['sourceNat'], name: string) => (endpoint ? ` ${name} ${endpoint.address}:${endpoint.port}` : '')
  const relay = leg.relayThrough ? ` through ${leg.relayThrough}` : ''
  const flow = `${leg.source}:${leg.sourcePort} > ${leg.destination}:${leg.destinationPort}`
  return `${flow}${nat(leg.sourceNat, 'as')}${nat(leg.destinationNat, 'to')}${relay}`
}

describe('surveying the flows of a pod', () => {
  const cases: [string, ConntrackEntry, string | undefined, string[]][] = [
    ['a client straight to the pod', direct, '10.244.3.9:4000 > 10.244.1.5:80', []],
    ['a client through a Service, translated here', throughService, '10.244.1.9:4001 > 10.244.1.5:8080', []],
    ['a client through a NodePort, this node stands in', nodePort, '172.30.0.1:61000 > 10.244.1.5:8080', []],
    ['the pod to another pod', outgoing, '10.244.1.5:5000 > 10.244.2.2:5432', []],
    ['the pod to a Service', ownService, '10.244.1.5:5001 > 10.96.0.9:5432 to 10.244.2.2:5432', []],
    ['the pod to itself through its Service', hairpin, '10.244.1.5:5003 > 10.96.0.5:80 as 10.244.1.1:7777 to 10.244.1.5:8080', []],
    [
      'the pod to a Service under another port, as it has this one in use to the endpoint itself',
      underAnotherPort,
      '10.244.1.5:5000 > 10.96.0.9:5432 as 10.244.1.5:31000 to 10.244.2.2:5432',
      [],
    ],
    [
      'the pod to a pod under another port, as it has this one in use through a Service',
      straightUnderAnotherPort,
      '10.244.1.5:5001 > 10.244.2.2:5432 as 10.244.1.5:31001 to 10.244.2.2:5432',
      ['SharedPort'],
    ],
    ['the pod to the outside, this node stands in', masqueraded, '10.244.1.5:5002 > 203.0.113.1:443 through 172.30.0.1', []],
    ['a client of the outside that this node only lets in', localPolicy, '192.0.2.7:4003 > 10.244.1.5:8080 through 172.30.0.1', []],
    ['a flow that is relayed already', { ...outgoing, mark: markOf(3) }, '10.244.1.5:5000 > 10.244.2.2:5432 through 172.30.0.3', []],
    ['a Service that netfilter does not translate', entry(tuple(pod, 5001, '10.96.0.9', 5432)), undefined, ['ServiceFlow']],
    ['a client whose last step of the handshake waits', { ...direct, state: 2 }, '10.244.3.9:4000 > 10.244.1.5:80', []],
    ['a flow that ended', { ...direct, state: 7 }, undefined, []],
    ['a flow that never began', { ...direct, state: 1 }, undefined, []],
    ['UDP has no state', { ...direct, protocol: 'udp', state: 0 }, '10.244.3.9:4000 > 10.244.1.5:80', []],
    ['a flow of others', entry(tuple('10.244.3.9', 1, '10.244.1.6', 2)), undefined, []],
  ]
  for (const [name, one, leg, reasons] of cases) {
    it(name, () => {
      const found = survey({ entries: [one] })
      expect(found.legs.map(written)).to.deep.equal(leg === undefined ? [] : [leg])
      expect(found.legs.map(({ mark }) => mark)).to.deep.equal(leg === undefined ? [] : [0])
      expect(found.reasons.map((reason) => reason.code)).to.deep.equal(reasons)
      expect(found.reasons.every((reason) => !reason.blocking)).to.equal(true)
    })
  }

  const socket = (localPort: number, remote: string, remotePort: number, state = 1) => ({
    local: pod,
    localPort,
    remote,
    remotePort,
    state,
  })

  it('makes legs of connections that the node does not track, with the listener as their end', () => {
    const itself = { ...socket(80, '127.0.0.1', 40_000), local: '127.0.0.1' }
    const sockets = [
      { ...socket(80, '0.0.0.0', 0, 10), local: '0.0.0.0' },
      socket(80, '10.244.1.6', 43_000),
      socket(5000, '10.244.2.2', 5432),
      itself,
      socket(80, '10.244.1.6', 43_001, 6),
    ]
    const found = survey({ serviceIps: [], entries: [outgoing], sockets })
    expect(found.legs.map((leg) => [leg.source, leg.sourcePort, leg.destination, leg.destinationPort])).to.deep.equal([
      [pod, 5000, '10.244.2.2', 5432],
      ['10.244.1.6', 43000, pod, 80],
    ])
    expect(found.connections).to.equal(2)
    expect(found.listeners).to.equal(1)
    expect(found.openPorts).to.deep.equal([80])
  })

  const listener = socket(8080, '0.0.0.0', 0, 10)

  it('keeps a flow that the table forgot while the pod has its end: it is not over, and it is no other one', () => {
    const known = survey({ entries: [hairpin, direct, ownService] }).legs
    const bothEnds = [socket(5003, '10.96.0.5', 80), socket(8080, '10.244.1.1', 7777)]
    const sockets = [listener, ...bothEnds, socket(80, '10.244.3.9', 4000), socket(5001, '10.96.0.9', 5432)]
    expect(survey({ entries: [], sockets, known }).legs).to.have.deep.members(known)
    const again = survey({ entries: [hairpin], sockets, known }).legs
    expect(changeOf(known, again)).to.deep.equal({ added: [], ended: [] })
    const made = { ...hairpin, reply: { ...hairpin.reply, destinationPort: 8888 } }
    expect(survey({ entries: [made], sockets: [listener, ...bothEnds], known: known.slice(0, 1) }).legs, 'made anew').to.have.length(1)
  })

  it('a flow that its peer ended or reset is over when the pod has no socket of it, not before', () => {
    const known = survey({ entries: [direct] }).legs
    for (const state of [7, 8]) {
      const entries = [{ ...direct, state }]
      expect(changeOf(known, survey({ entries, known }).legs)).to.deep.equal({ added: [], ended: known })
      const lastAck = survey({ entries, known, sockets: [socket(80, '10.244.3.9', 4000, 9)] })
      expect(lastAck.legs).to.deep.equal([{ ...known[0], closing: true }])
    }
  })

  it('a connection that the node does not track and one end has closed may be over before the pod has moved', () => {
    const found = survey({ sockets: [listener, socket(8080, '10.244.1.6', 43000, 8), socket(8080, '10.244.1.6', 43001)] })
    expect(found.legs.map(({ closing }) => closing)).to.deep.equal([true, undefined])
  })

  it('takes neither end of a flow to itself for one that is not tracked', () => {
    const sockets = [listener, socket(5003, '10.96.0.5', 80), socket(8080, '10.244.1.1', 7777)]
    expect(survey({ entries: [hairpin], sockets }).legs).to.have.length(1)
  })

  it('tells what began and what ended between two looks', () => {
    const [before, now] = [survey({ entries: [direct, ownService] }).legs, survey({ entries: [ownService, masqueraded] }).legs]
    const { added, ended } = changeOf(before, now)
    expect([added.map(written), ended.map(written)]).to.deep.equal([
      ['10.244.1.5:5002 > 203.0.113.1:443 through 172.30.0.1'],
      ['10.244.3.9:4000 > 10.244.1.5:80'],
    ])
  })

  it('counts connections over IPv6 addresses that do not move as a reason, and only those', () => {
    const six = (local: string, remote: string) => ({ local, localPort: 1, remote, remotePort: 2, state: 1 })
    const sockets = [six('fe80::5', 'fe80::6'), six('fd00:244::5', 'fd00:30::9'), six('::1', '::1')]
    const reasons = (ips: string[]) => survey({ ips, sockets }).reasons.map(({ code, message }) => [code, message])
    const stray = (count: number, of: string) => [
      ['Ipv6Flow', `${count} connection(s) over IPv6 of an address that does not move with the pod: ${of}`],
    ]
    expect(reasons([pod, 'fd00:244::5'])).to.deep.equal(stray(1, 'fe80::5'))
    expect(reasons([pod])).to.deep.equal(stray(2, 'fe80::5, fd00:244::5'))
  })
})

describe('planning the legs on the destination', () => {
  const leg = { protocol: 'tcp' as const, ...direct.original, mark: 5, windowScaleOriginal: 7, windowScaleReply: 9 }

  const unmarked = (one: Leg): number => one.mark
  const [service] = survey({ entries: [ownService] }).legs as [Leg]
  const [relayed] = survey({ entries: [masqueraded] }).legs as [Leg]

  it('inserts a translation, after deleting what the other end’s node has of it', () => {
    const atOtherEnd = entry(tuple(pod, 5001, '10.244.2.2', 5432))
    expect(planLegs([pod], [service], [atOtherEnd], unmarked).lines).to.deep.equal([
      'D tcp 10.244.1.5 5001 10.244.2.2 5432',
      'D tcp 10.244.1.5 5001 10.96.0.9 5432',
      'D tcp 10.244.1.5 5001 10.244.2.2 5432',
      'I tcp 10.244.1.5 5001 10.96.0.9 5432 snat=- dnat=10.244.2.2:5432 mark=0 wo=7 wr=9',
    ])
  })

  it('takes away a flow of this node that was given the port which stands between the ends of a flow to itself', () => {
    const [itself] = survey({ entries: [hairpin] }).legs as [Leg]
    expect(planLegs([pod], [itself], [], unmarked).lines.slice(0, -1)).to.deep.equal([
      'D tcp 10.244.1.5 5003 10.96.0.5 80',
      'D tcp 10.244.1.1 7777 10.244.1.5 8080',
      'D tcp 10.244.1.5 8080 10.244.1.1 7777',
    ])
  })

  it('marks a relayed flow, and leaves it alone on the node that stands in for it', () => {
    const lines = planLegs([pod], [relayed], [], () => markOf(2)).lines
    expect(lines[1]).to.equal(`I tcp 10.244.1.5 5002 203.0.113.1 443 snat=- dnat=- mark=${markOf(2)} wo=7 wr=9`)
    expect(planLegs([pod], [relayed], [masqueraded], unmarked)).to.deep.equal({ lines: [], inserted: [] })
  })

  it('translates anew what the node stands in for, in the same way, and nothing that is not open', () => {
    const closing = { ...nodePort, state: 5 }
    const lines = fixedLines(pod, [nodePort, throughService, closing, outgoing, masqueraded])
    const { original, reply } = nodePort
    const sides = `tcp ${original.source} ${original.sourcePort} ${original.destination} ${original.destinationPort}`
    const nat = `snat=${reply.destination}:${reply.destinationPort} dnat=${reply.source}:${reply.sourcePort}`
    expect(lines).to.deep.equal([`D ${sides}`, `I ${sides} ${nat} mark=${nodePort.mark} wo=7 wr=9`])
  })

  it('touches only what changed when the flows are followed', () => {
    const ended = survey({ entries: [direct] }).legs
    const plan = planChange({ added: [service], ended }, [direct, outgoing, hairpin], unmarked)
    expect(plan.lines).to.deep.equal([
      'D tcp 10.244.3.9 4000 10.244.1.5 80',
      'D tcp 10.244.1.5 5001 10.96.0.9 5432',
      'D tcp 10.244.1.5 5001 10.244.2.2 5432',
      'I tcp 10.244.1.5 5001 10.96.0.9 5432 snat=- dnat=10.244.2.2:5432 mark=0 wo=7 wr=9',
    ])
    expect(plan.inserted).to.deep.equal([service])
  })

  it('finds what the table lacks', () => {
    const legs = [service, relayed, leg]
    const mark = (one: Leg): number => (one.relayThrough ? markOf(2) : 0)
    const relayedEntry = entry(masqueraded.original, turned(masqueraded.original), { mark: markOf(2) })
    expect(missingLegs(legs, [ownService, relayedEntry, direct], mark)).to.deep.equal([])
    expect(missingLegs(legs, [ownService, relayedEntry, entry(direct.reply)], mark)).to.deep.equal([])
    const [closing] = survey({ entries: [{ ...direct, state: 5 }] }).legs as [Leg]
    expect(missingLegs([closing], [], mark)).to.deep.equal([])
    for (const state of [4, 7, 8]) expect(missingLegs([leg], [{ ...direct, state }], mark), 'ended or reset while held').to.deep.equal([])
    const wrong = missingLegs(legs, [entry(ownService.original), { ...relayedEntry, mark: 0 }], mark)
    expect(wrong).to.have.length(3)
    expect(wrong[0]).to.equal("tcp 10.244.1.5 5001 10.96.0.9 5432 to 10.244.2.2:5432 is not in the destination's connection table")
  })

  it('inserts what is not there, after deleting what a former stay may have left', () => {
    expect(planLegs([pod], [leg], [], unmarked)).to.deep.equal({
      lines: ['D tcp 10.244.3.9 4000 10.244.1.5 80', 'I tcp 10.244.3.9 4000 10.244.1.5 80 snat=- dnat=- mark=5 wo=7 wr=9'],
      inserted: [leg],
    })
  })

  it('replaces a plain entry, but does not own it', () => {
    const plan = planLegs([pod], [leg], [direct], unmarked)
    expect(plan.lines).to.have.length(2)
    expect(plan.inserted).to.deep.equal([])
  })

  it('never touches an entry of this node that translates: the deletion would match its reply', () => {
    const own = entry(tuple('10.244.3.9', 4000, '10.96.0.5', 80), tuple(pod, 80, '10.244.3.9', 4000))
    expect(planLegs([pod], [leg], [own], unmarked)).to.deep.equal({ lines: [], inserted: [] })
  })

  it('takes away plain entries of the address that are nobody’s any more', () => {
    expect(planLegs([pod], [], [direct, outgoing], unmarked).lines).to.deep.equal([
      'D tcp 10.244.3.9 4000 10.244.1.5 80',
      'D tcp 10.244.1.5 5000 10.244.2.2 5432',
    ])
  })
})

describe('reading what the kernel and the tools say', () => {
  it('conntrack entries of the helper', () => {
    const text = `[{"proto":"tcp","orig":["10.244.1.9",4001,"10.96.0.5",80],"reply":["10.244.1.5",8080,"10.244.1.9",4001],"status":430,"mark":0,"state":3,"wscaleOrig":7,"wscaleReply":9,"timeout":86400}]`
    expect(parseEntries(text)).to.deep.equal([{ ...throughService, sourceNat: false, destinationNat: true }])
  })

  it('refused conntrack lines; that a flow was there already is no more than a reason to try again', () => {
    const answer = '{"errors":[{"line":1,"errno":17},{"line":2,"errno":22}],"applied":0}'
    const lines = ['I tcp 1 dnat=- mark=0 wo=1 wr=1', 'I tcp 2']
    expect(refusedLines(answer, lines)).to.deep.equal([
      { message: `${lines[0]}: errno 17`, again: [lines[0]], plain: true },
      { message: 'I tcp 2: errno 22' },
    ])
  })

  it('a packet that made the entry before its translation was there: once more', () => {
    const lines = ['I tcp 0', 'D tcp a', 'D tcp b', 'I tcp a dnat=10.0.0.1:80 mark=0 wo=1 wr=1', 'I tcp c dnat=- mark=0 wo=1 wr=1']
    const answer = '{"errors":[{"line":4,"errno":17},{"line":5,"errno":17}],"applied":0}'
    expect(refusedLines(answer, lines)).to.deep.equal([
      { message: `${lines[3]}: errno 17`, again: lines.slice(1, 4) },
      { message: `${lines[4]}: errno 17`, again: [lines[4]], plain: true },
    ])
  })

  it('routes of /proc/net/route', () => {
    const routes = parseRouteTable(`Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT
eth0\t00000000\tFE001EAC\t0003\t0\t0\t0\t00000000\t0\t0\t0
cni0\t0001F40A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth0\t0502F40A\t02001EAC\t0007\t0\t0\t0\tFFFFFFFF\t0\t0\t0
*\t0701F40A\t00000000\t0205\t0\t0\t0\tFFFFFFFF\t0\t0\t0
`)
    expect(hostRoute(routes, '10.244.2.5')).to.include({ device: 'eth0', gateway: '172.30.0.2' })
    expect(hostRoute(routes, '10.244.1.7')).to.equal(undefined)
    expect(connectedDevices(routes, '10.244.1.200')).to.deep.equal(['cni0'])
    const devices = ['10.244.2.5', '10.244.1.200', '8.8.8.8'].map((address) => routeTo(routes, address)?.device)
    expect(devices).to.deep.equal(['eth0', 'cni0', 'eth0'])
    expect(connectedDevices(routes, '10.244.2.5')).to.deep.equal([])
  })

  it('routes of /proc/net/ipv6_route, without the kernel’s own addresses', () => {
    const line = (destination: string, bits: string, gateway: string, flags: string, device: string): string =>
      `${destination.padEnd(32, '0')} ${bits} ${'0'.repeat(32)} 00 ${gateway || '0'.repeat(32)} 00000400 00000001 00000000 ${flags} ${device.padStart(8)}`
    const nodeTwo = 'fd000030000000000000000000000002'
    const routes = parseIpv6RouteTable(
      [
        line('fd00024400000002', '40', nodeTwo, '00000003', 'eth0'),
        line('fd000244000000010000000000000005', '80', nodeTwo, '00000003', 'eth0'),
        line('fd00024400000001', '40', '', '00000001', 'cni0'),
        line('', '00', nodeTwo, '00000003', 'eth0'),
        line('', '00', '', '00200200', 'lo'),
        line('fd00024400000001', '80', '', '00300001', 'cni0'),
        line('fd000244000000010000000000000001', '80', '', '80200001', 'cni0'),
      ].join('\n'),
    )
    expect(routes).to.have.length(4)
    expect(hostRoute(routes, 'fd00:244:0:1::5')).to.include({ device: 'eth0', gateway: 'fd00:30::2' })
    expect(hostRoute(routes, 'fd00:244:0:1::1')).to.equal(undefined)
    expect(connectedDevices(routes, 'fd00:244:0:1::9')).to.deep.equal(['cni0'])
    expect(['fd00:244:0:2::7', 'fd00:244:0:1::9', '2001:db8::1'].map((address) => routeTo(routes, address)?.bits)).to.deep.equal([
      64, 64, 0,
    ])
    expect(routeTo(routes, '10.0.0.1')).to.equal(undefined)
  })

  it('our routes and proxy neighbours', () => {
    expect(parseRoutes('[{"dst":"10.244.1.5","gateway":"172.30.0.2","dev":"eth0"},{"dst":"10.0.0.0/8","dev":"x"}]')).to.deep.equal([
      { address: '10.244.1.5', gateway: '172.30.0.2', device: 'eth0' },
    ])
    const proxies = '[{"dst":"10.244.1.5","dev":"cni0","proxy":null,"protocol":"112"},{"dst":"10.244.1.6","dev":"cni0","proxy":null}]'
    expect(parseProxies(proxies)).to.deep.equal([{ address: '10.244.1.5', bridge: 'cni0' }])
  })
})

describe('the texts for ip and nft', () => {
  it('hold: the queue first, then what leads to it', () => {
    expect(forgetNeighbours({ ips: [pod], hostVeth: 'veth1', podMac: '02:00:00:00:00:01' })).to.equal(
      'neigh replace 10.244.1.5 lladdr 02:00:00:00:00:01 dev veth1 nud stale\nneigh del 10.244.1.5 dev veth1\n',
    )
    expect(holdBatch({ ips: [pod], hostVeth: 'veth1', standIns: [nodeIp] })).to.equal(
      'route replace 10.244.1.5/32 dev veth1 proto 112 src 172.30.0.1\n',
    )
  })

  it('divert: a point-to-point pod needs the route alone, a bridged one leaves the bridge after it', () => {
    const way = { addresses: [{ ip: pod, way: { gateway: '172.30.0.2' } }] }
    expect(divertBatch({ ...way, veth: { name: 'v', mac: 'm' } })).to.equal(
      'addr replace 169.254.112.1/32 dev v\nroute replace 10.244.1.5/32 via 172.30.0.2 proto 112\n',
    )
    const home = { addresses: way.addresses.map((one) => ({ ...one, homeBridge: 'cni0' })) }
    expect(
      divertBatch({ ...home, veth: { name: 'v', mac: 'm', bridge: 'cni0' } })
        .trim()
        .split('\n'),
    ).to.deep.equal([
      'addr replace 169.254.112.1/32 dev v',
      'route replace 10.244.1.5/32 via 172.30.0.2 proto 112',
      'neigh replace proxy 10.244.1.5 dev cni0 protocol 112',
    ])
    expect(leaveBridgeBatch('v', 'cni0', 'b').trim().split('\n')).to.deep.equal([
      'link set dev cni0 address b',
      'link set dev v address b',
      'link set dev v nomaster',
    ])
  })

  it('restore: back on the bridge before the route goes; the former route where there was one', () => {
    const veth = { name: 'v', mac: 'm', bridge: 'cni0' }
    expect(
      restoreBatch({ addresses: [{ ip: pod, routed: true }], standIns: [nodeIp], veth })
        .trim()
        .split('\n'),
    ).to.deep.equal(['link set dev v master cni0', 'link set dev v address m', 'route del 10.244.1.5/32'])
    const hairpin = restoreBatch({
      addresses: [{ ip: pod, routed: true }],
      standIns: [nodeIp],
      veth: { ...veth, port: { hairpin: true, isolated: false } },
    })
    expect(hairpin).to.contain('master cni0\nlink set dev v type bridge_slave hairpin on isolated off\n')
    expect(restoreBatch({ addresses: [{ ip: pod, routed: true, previous: { device: 'v' } }], standIns: [nodeIp] })).to.equal(
      'route replace 10.244.1.5/32 dev v proto 112 src 172.30.0.1\n',
    )
    expect(restoreBatch({ addresses: [{ ip: pod, routed: false }], standIns: [nodeIp] })).to.equal('')
  })

  it('the rule set names each movable pod once, and none when there is none', () => {
    const text = nodeRuleSet(['172.30.0.1'], ['10.0.0.2', '10.0.0.1', '10.0.0.2'], ['eth0'])
    expect(text).to.contain('movable { 10.0.0.1, 10.0.0.2 }').and.to.contain('itself { 10.0.0.1 . 10.0.0.1, 10.0.0.2 . 10.0.0.2 }')
    expect(nodeRuleSet(['172.30.0.1'], [], [])).to.not.contain('add element')
  })
})

describe('the texts for a pod with an address of each family', () => {
  const pod6 = 'fd00:244:0:1::5'
  const ips = [pod, pod6]
  const standIns = [nodeIp, 'fd00:30::1']

  it('hold and release both', () => {
    expect(forgetNeighbours({ ips, hostVeth: 'veth1', podMac: 'm' })).to.contain(`neigh del ${pod6} dev veth1\n`)
    expect(holdBatch({ ips, hostVeth: 'veth1', standIns })).to.contain(`route replace ${pod6}/128 dev veth1 proto 112 src fd00:30::1\n`)
    expect(releaseBatch(ips, 'veth1', 'm').trim().split('\n')).to.deep.equal(
      ips.map((ip) => `neigh replace ${ip} lladdr m dev veth1 nud permanent`),
    )
  })

  it('divert and restore both, and the veth once', () => {
    const addresses = [
      { ip: pod, way: { gateway: '172.30.0.2' }, homeBridge: 'cni0' },
      { ip: pod6, way: { gateway: 'fd00:30::2' }, homeBridge: 'cni0' },
    ]
    const veth = { name: 'v', mac: 'm', bridge: 'cni0' }
    const lines = divertBatch({ addresses, veth }).split('\n')
    expect(lines).to.include.members([
      'route replace fd00:244:0:1::5/128 via fd00:30::2 proto 112',
      `neigh replace proxy ${pod6} dev cni0 protocol 112`,
    ])
    expect(lines.filter((line) => line.includes('addr replace'))).to.have.length(1)
    expect(divertBatch({ addresses: addresses.slice(1), veth })).to.not.contain('169.254')
    const restored = restoreBatch({ addresses: ips.map((ip) => ({ ip, routed: true })), standIns, veth, heldVeth: 'h' })
    expect(restored.trim().split('\n').slice(-3)).to.deep.equal([`route del ${pod}/32`, `route del ${pod6}/128`, 'link set dev h down'])
  })

  it('a table for each family that the node has, each with what is of its family', () => {
    const text = nodeRuleSet(standIns, ips, ['eth0', 'tun0'])
    expect(text).to.contain(`add element ip podmotion movable { ${pod} }`).and.to.contain(`add element ip6 podmotion movable { ${pod6} }`)
    expect(text).to.contain(`ct status dnat ip6 saddr . ip6 daddr @itself snat to fd00:30::1 fully-random`)
    expect(text.match(/nd-redirect drop/g)).to.have.length(1)
    expect(text).to.contain('add element ip podmotion outer { "eth0", "tun0" }').and.to.contain('add element ip6 podmotion outer {')
    expect(nodeRuleSet([nodeIp], ips, [])).to.equal(nodeRuleSet([nodeIp], [pod], []))
    const armed = armRuleSet({ standIns, ips, knownPorts: [80], untracked: [{ protocol: 'tcp', tuple: tuple('fd00:96::9', 1, pod6, 2) }] })
    expect(armed)
      .to.contain(`ip6 podmotion known { ${pod6} . 80 }`)
      .and.to.contain(`ip6 podmotion untracked { fd00:96::9 . tcp . 1 . ${pod6} . 2 }`)
  })

  it('flows of both, each through the node’s address of its family', () => {
    const nodeIps = [nodeIp, 'fd00:30::1']
    const outside6 = entry(tuple(pod6, 5002, '2001:db8::10', 443), tuple('2001:db8::10', 443, 'fd00:30::1', 5002))
    const service6 = entry(tuple(pod6, 5001, 'fd00:96::9', 80), tuple('fd00:244:0:2::2', 8080, pod6, 5001))
    const { legs } = survey({ ips, nodeIps, entries: [masqueraded, outside6, service6] })
    expect(legs.map(({ relayThrough }) => relayThrough)).to.deep.equal([nodeIp, 'fd00:30::1', undefined])
    expect(planLegs(ips, legs.slice(2), [], () => 0).lines.at(-1)).to.equal(
      `I tcp ${pod6} 5001 fd00:96::9 80 snat=- dnat=[fd00:244:0:2::2]:8080 mark=0 wo=7 wr=9`,
    )
  })
})

describe('the texts of relayed and translated flows', () => {
  const [service] = survey({ entries: [ownService] }).legs as [Leg]
  const [itself] = survey({ entries: [hairpin] }).legs as [Leg]

  it('the two forms in which the other node sends them', () => {
    expect(translatedForms(service).map((one) => Object.values(one).join(' '))).to.deep.equal([
      '10.244.1.5 5001 10.244.2.2 5432',
      '10.96.0.9 5432 10.244.1.5 5001',
    ])
    expect(translatedForms(itself).map((one) => Object.values(one).join(' '))).to.deep.equal([
      '10.244.1.1 7777 10.244.1.5 8080',
      '10.96.0.5 80 10.244.1.5 5003',
    ])
  })

  it('armed and disarmed', () => {
    const flows = [{ protocol: 'tcp' as const, tuple: tuple('10.96.0.9', 5432, pod, 5001) }]
    const armed = { standIns: ['172.30.0.1'], ips: [pod], knownPorts: [80], untracked: flows }
    expect(armRuleSet(armed)).to.contain('untracked { 10.96.0.9 . tcp . 5432 . 10.244.1.5 . 5001 }')
    expect(armRuleSet({ ...armed, untracked: [] }))
      .to.contain('known { 10.244.1.5 . 80 }')
      .and.not.contain('podmotion untracked {')
    expect(disarmRuleSet(armed)).to.not.contain('timeout 15s')
    expect(disarmRuleSet(armed, 15)).to.contain('. 5001 timeout 15s }')
  })

  it('the rule that leads through another node', () => {
    expect(ruleOf(3)).to.equal('pref 90 fwmark 0x07000003/0xff0000ff lookup 28675')
  })
})

describe('the wish of the controller', () => {
  const wish = (moved: { ip: string; nodeIp: string }[], owned: string[] = []) => ({
    state: { nodeIps: ['172.30.0.1'], podCidrs: [], movable: [pod], moved },
    owned: new Set(owned),
    homeBridgeOf: (address: string) => (address.startsWith('10.244.1.') ? 'cni0' : undefined),
    wayTo: (gateway: string): Way => ({ gateway }),
  })
  const away = { ip: pod, nodeIp: '172.30.0.2' }
  const empty = { routes: [], proxies: [] }
  const done = {
    routes: [{ address: pod, gateway: '172.30.0.2', device: 'eth0' }],
    proxies: [{ address: pod, bridge: 'cni0' }],
  }

  it('a pod that left home: route, ARP, lease', () => {
    const plan = planNetwork(wish([away]), empty)
    expect(plan.commands).to.deep.equal([
      'route replace 10.244.1.5/32 via 172.30.0.2 proto 112',
      'neigh replace proxy 10.244.1.5 dev cni0 protocol 112',
    ])
    expect(plan.announce).to.deep.equal([{ address: pod, bridge: 'cni0' }])
    expect(plan.keepLeases).to.deep.equal([pod])
  })

  it('nothing to do twice', () => {
    expect(planNetwork({ ...wish([away]), told: done.proxies }, done)).to.deep.include({ commands: [], announce: [] })
  })

  it('a route past the tunnel is put right', () => {
    const tunnelled = { ...wish([away]), wayTo: () => ({ gateway: '10.244.2.0', device: 'flannel.1' }) }
    const route = 'route replace 10.244.1.5/32 via 10.244.2.0 dev flannel.1 onlink proto 112'
    expect(planNetwork(tunnelled, done).commands).to.deep.equal([route])
    const beside = { ...done, routes: [{ address: pod, gateway: '10.244.2.0', device: 'eth0' }] }
    expect(planNetwork(tunnelled, beside).commands).to.deep.equal([route])
    const right = { ...done, routes: [{ address: pod, gateway: '10.244.2.0', device: 'flannel.1' }] }
    expect(planNetwork(tunnelled, right).commands).to.deep.equal([])
  })

  it('a pod that ended: all of it goes, its address is free', () => {
    const plan = planNetwork({ ...wish([]), state: { ...wish([]).state, movable: [] } }, done)
    expect(plan.commands).to.deep.equal(['route del 10.244.1.5/32 proto 112', 'neigh del proxy 10.244.1.5 dev cni0'])
    expect([...plan.wantedAddresses]).to.deep.equal([])
  })

  it('an open migration is left alone, and keeps its lease', () => {
    const plan = planNetwork(wish([], [pod]), done)
    expect(plan.commands).to.deep.equal([])
    expect(plan.wantedAddresses.has(pod)).to.equal(true)
    expect(planNetwork(wish([{ ip: pod, nodeIp: '172.30.0.3' }], [pod]), done).commands).to.deep.equal([])
  })

  it('a veth of this node outweighs an old wish, and at home the node still answers for the pod', () => {
    const here = { routes: [{ address: pod, device: 'veth1' }], proxies: [] }
    expect(planNetwork(wish([away]), here).commands).to.deep.equal(['neigh replace proxy 10.244.1.5 dev cni0 protocol 112'])
  })

  it('a pod that was born beside the bridge: its neighbours are told once, its lease stays its sandbox’s', () => {
    const born = { routes: [{ address: pod, device: 'veth1' }], proxies: [{ address: pod, bridge: 'cni0' }] }
    const first = planNetwork(wish([]), born)
    expect(first).to.deep.include({ commands: [], announce: born.proxies, proxies: born.proxies, keepLeases: [] })
    expect(first.wantedAddresses.has(pod)).to.equal(true)
    expect(planNetwork({ ...wish([]), told: first.proxies }, born).announce).to.deep.equal([])
    expect(planNetwork({ ...wish([]), told: first.proxies }, { ...born, routes: [] }).commands).to.deep.equal([
      'neigh del proxy 10.244.1.5 dev cni0',
    ])
  })

  it('a pod that lives here and whose home is elsewhere needs nothing', () => {
    const here = { routes: [{ address: '10.244.2.5', device: 'veth1' }], proxies: [] }
    expect(planNetwork(wish([{ ip: '10.244.2.5', nodeIp: '172.30.0.1' }]), here)).to.deep.include({ commands: [], keepLeases: [] })
  })
})
