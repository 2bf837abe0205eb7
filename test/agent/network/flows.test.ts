// Which flows of a pod become legs or reasons, by tables.
import { expect } from 'chai'
import type { ConntrackEntry } from '../../../src/agent/network/conntrack-entries.ts'
import { changeOf } from '../../../src/agent/network/flows.ts'
import { markOf } from '../../../src/agent/network/relay-marks.ts'
import {
  direct,
  directUnderAnotherPort,
  entry,
  hairpin,
  localPolicy,
  localUnderAnotherPort,
  masqueraded,
  nodePort,
  outgoing,
  ownService,
  pod,
  straightUnderAnotherPort,
  survey,
  throughService,
  tuple,
  underAnotherPort,
  written,
} from './flow-samples.ts'

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
    ['the same under another of its ports', localUnderAnotherPort, '192.0.2.7:17657 > 10.244.1.5:8080 through 172.30.0.1', []],
    [
      'a client of the outside that goes straight to the pod, under another of its ports',
      directUnderAnotherPort,
      '192.0.2.7:17658 > 10.244.1.5:8080 through 172.30.0.1',
      [],
    ],
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
