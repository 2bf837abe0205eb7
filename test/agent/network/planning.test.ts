// The pure half of the network room, by tables: which flows become legs or reasons, what closes the gap to a wish, the texts for ip and nft.
import { expect } from 'chai'
import type { ConntrackEntry, Tuple } from '../../../src/agent/network/conntrack-entries.ts'
import { parseEntries, refusedLines } from '../../../src/agent/network/conntrack-entries.ts'
import { surveyFlows } from '../../../src/agent/network/flows.ts'
import { divertBatch, holdBatch, restoreBatch } from '../../../src/agent/network/ip-batches.ts'
import { planLegs } from '../../../src/agent/network/leg-plan.ts'
import { parseProxies, parseRoutes } from '../../../src/agent/network/node-network.ts'
import { parseSockets } from '../../../src/agent/network/pod-sockets.ts'
import { connectedDevices, hostRoute, parseRouteTable } from '../../../src/agent/network/route-table.ts'
import { nodeRuleSet } from '../../../src/agent/network/rule-sets.ts'
import { planNetwork } from '../../../src/agent/network/wish.ts'

const pod = '10.244.1.5'
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
const masqueraded = entry(tuple(pod, 5002, '203.0.113.1', 443), tuple('203.0.113.1', 443, '172.30.0.1', 5002))

describe('surveying the flows of a pod', () => {
  const cases: [string, ConntrackEntry, string | undefined, string[]][] = [
    ['a client straight to the pod', direct, '10.244.3.9:4000 > 10.244.1.5:80', []],
    ['a client through a Service, translated here', throughService, '10.244.1.9:4001 > 10.244.1.5:8080', []],
    ['a client through a NodePort, this node stands in', nodePort, '172.30.0.1:61000 > 10.244.1.5:8080', []],
    ['the pod to another pod', outgoing, '10.244.1.5:5000 > 10.244.2.2:5432', []],
    ['the pod to a Service', ownService, undefined, ['ServiceFlow']],
    ['the pod to itself through its Service', hairpin, undefined, ['ServiceFlow']],
    ['the pod to the outside', masqueraded, undefined, ['MasqueradedFlow']],
    ['a flow that ended', { ...direct, state: 7 }, undefined, []],
    ['a flow that never began', { ...direct, state: 1 }, undefined, []],
    ['UDP has no state', { ...direct, protocol: 'udp', state: 0 }, '10.244.3.9:4000 > 10.244.1.5:80', []],
    ['a flow of others', entry(tuple('10.244.3.9', 1, '10.244.1.6', 2)), undefined, []],
  ]
  for (const [name, one, leg, reasons] of cases) {
    it(name, () => {
      const survey = surveyFlows({ ip: pod, serviceIps: ['10.96.0.9'], entries: [one], sockets: [] })
      const legs = survey.legs.map((each) => `${each.source}:${each.sourcePort} > ${each.destination}:${each.destinationPort}`)
      expect(legs).to.deep.equal(leg === undefined ? [] : [leg])
      expect(survey.reasons.map((reason) => reason.code)).to.deep.equal(reasons)
      expect(survey.reasons.every((reason) => !reason.blocking)).to.equal(true)
    })
  }

  it('makes legs of connections that the node does not track, with the listener as their end', () => {
    const sockets = parseSockets(procTcp)
    const survey = surveyFlows({ ip: pod, serviceIps: [], entries: [outgoing], sockets })
    expect(survey.legs.map((leg) => [leg.source, leg.sourcePort, leg.destination, leg.destinationPort])).to.deep.equal([
      [pod, 5000, '10.244.2.2', 5432],
      ['10.244.1.6', 43000, pod, 80],
    ])
    expect(survey.connections).to.equal(2)
    expect(survey.listeners).to.equal(1)
  })

  it('counts connections over IPv6 as a reason', () => {
    const remote = `ipv6:${'0'.repeat(31)}2`
    const sockets = [{ local: 'ipv6:x', localPort: 1, remote, remotePort: 2, state: 1 }]
    expect(surveyFlows({ ip: pod, serviceIps: [], entries: [], sockets }).reasons.map((reason) => reason.code)).to.deep.equal(['Ipv6Flow'])
  })
})

// A listener on 80; 10.244.1.6:43000 to it; the pod's own 5000 to 10.244.2.2:5432; one to itself.
const procTcp = `  sl  local_address rem_address   st tx_queue rx_queue
   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 0501F40A:0050 0601F40A:A7F8 01 00000000:00000000 00:00000000 00000000     0        0 2
   2: 0501F40A:1388 0202F40A:1538 01 00000000:00000000 00:00000000 00000000     0        0 3
   3: 0100007F:0050 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4
   4: 0501F40A:0050 0601F40A:A7F9 06 00000000:00000000 00:00000000 00000000     0        0 0
`

describe('planning the legs on the destination', () => {
  const leg = { protocol: 'tcp' as const, ...direct.original, mark: 5, windowScaleOriginal: 7, windowScaleReply: 9 }

  it('inserts what is not there, after deleting what a former stay may have left', () => {
    expect(planLegs(pod, [leg], [])).to.deep.equal({
      lines: ['D tcp 10.244.3.9 4000 10.244.1.5 80', 'I tcp 10.244.3.9 4000 10.244.1.5 80 snat=- dnat=- mark=5 wo=7 wr=9'],
      inserted: [leg],
    })
  })

  it('replaces a plain entry, but does not own it', () => {
    const plan = planLegs(pod, [leg], [direct])
    expect(plan.lines).to.have.length(2)
    expect(plan.inserted).to.deep.equal([])
  })

  it('never touches an entry of this node that translates: the deletion would match its reply', () => {
    const own = entry(tuple('10.244.3.9', 4000, '10.96.0.5', 80), tuple(pod, 80, '10.244.3.9', 4000))
    expect(planLegs(pod, [leg], [own])).to.deep.equal({ lines: [], inserted: [] })
  })

  it('takes away plain entries of the address that are nobody’s any more', () => {
    expect(planLegs(pod, [], [direct, outgoing]).lines).to.deep.equal([
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

  it('refused conntrack lines, except that a flow was there already', () => {
    const answer = '{"errors":[{"line":1,"errno":17},{"line":2,"errno":22}],"applied":0}'
    expect(refusedLines(answer, ['I one', 'I two'])).to.deep.equal(['I two: errno 22'])
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
    expect(connectedDevices(routes, '10.244.2.5')).to.deep.equal([])
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
  it('hold', () => {
    expect(holdBatch(pod, 'veth1', '02:00:00:00:00:01').split('\n')).to.deep.equal([
      'neigh replace 10.244.1.5 lladdr 02:00:00:00:00:01 dev veth1 nud stale',
      'neigh del 10.244.1.5 dev veth1',
      'route replace 10.244.1.5/32 dev veth1 proto 112',
      '',
    ])
  })

  it('divert: a point-to-point pod needs the route alone, a bridged one leaves the bridge after it', () => {
    const way = { ip: pod, destinationNodeIp: '172.30.0.2' }
    expect(divertBatch({ ...way, veth: { name: 'v', mac: 'm' } })).to.equal('route replace 10.244.1.5/32 via 172.30.0.2 proto 112\n')
    const bridged = divertBatch({ ...way, veth: { name: 'v', mac: 'm', bridge: 'cni0' }, bridgeMac: 'b', homeBridge: 'cni0' })
    expect(bridged.trim().split('\n')).to.deep.equal([
      'route replace 10.244.1.5/32 via 172.30.0.2 proto 112',
      'neigh replace proxy 10.244.1.5 dev cni0 protocol 112',
      'link set dev cni0 address b',
      'link set dev v address b',
      'link set dev v nomaster',
    ])
  })

  it('restore: back on the bridge before the route goes; the former route where there was one', () => {
    const veth = { name: 'v', mac: 'm', bridge: 'cni0' }
    expect(restoreBatch({ ip: pod, routed: true, veth }).trim().split('\n')).to.deep.equal([
      'link set dev v master cni0',
      'link set dev v address m',
      'route del 10.244.1.5/32',
    ])
    expect(restoreBatch({ ip: pod, routed: true, previous: { device: 'v' } })).to.equal('route replace 10.244.1.5/32 dev v proto 112\n')
    expect(restoreBatch({ ip: pod, routed: false })).to.equal('')
  })

  it('the rule set names each movable pod once, and none when there is none', () => {
    expect(nodeRuleSet('172.30.0.1', ['10.0.0.2', '10.0.0.1', '10.0.0.2'])).to.contain('movable { 10.0.0.1, 10.0.0.2 }')
    expect(nodeRuleSet('172.30.0.1', [])).to.not.contain('add element')
  })
})

describe('the wish of the controller', () => {
  const wish = (moved: { ip: string; nodeIp: string }[], owned: string[] = []) => ({
    state: { nodeIp: '172.30.0.1', podCidrs: [], movable: [pod], moved },
    owned: new Set(owned),
    homeBridgeOf: (address: string) => (address.startsWith('10.244.1.') ? 'cni0' : undefined),
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
    expect(planNetwork(wish([away]), done)).to.deep.include({ commands: [], announce: [] })
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

  it('a pod that lives here and whose home is elsewhere needs nothing', () => {
    const here = { routes: [{ address: '10.244.2.5', device: 'veth1' }], proxies: [] }
    expect(planNetwork(wish([{ ip: '10.244.2.5', nodeIp: '172.30.0.1' }]), here)).to.deep.include({ commands: [], keepLeases: [] })
  })
})
