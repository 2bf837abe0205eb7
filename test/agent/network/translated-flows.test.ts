// Flows between whose ends a node stands: to Services, to the pod itself, masqueraded ones; on two nodes of namespaces.
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import type { FlowChange } from '../../../src/agent/rooms.ts'
import { fakeLocalProxy, fakeProxy, masquerade, masqueradeItself, serviceTo } from './fake-proxy.ts'
import { clientIp, Nodes, nodeIps, type Pod, podCidrs, podIp, state } from './nodes.ts'
import { resetsIn, tcpCount } from './tcp-counts.ts'

describe('flows that a node translates, while their pod moves', function () {
  this.timeout(60_000)
  let nodes: Nodes
  let source: Pod
  const move = { uid: 'm1', ips: [podIp] }

  beforeEach(async function () {
    if (process.getuid?.() !== 0) this.skip()
    nodes = new Nodes()
    source = await nodes.addBridgedPod('a', 'pa', podIp)
  })

  afterEach(() => nodes?.close())

  it('gives back what came for a flow that this node masquerades, without taking it for a new one', async () => {
    nodes.in('a', masquerade)
    await nodes.serve('c')
    const own = nodes.client('pa')
    await own.ask(`connect ${clientIp} 7000`)
    const destination = await nodes.addAwaitedPod('b', 'pb', podIp)
    const { legs, openPorts } = await nodes.survey('a', source)
    await nodes.call('a', 'prepare', { ...move, legs })
    await nodes.call('b', 'arm', { ...move, legs, openPorts })
    const answered = own.ask('say push 700')
    await sleep(100)
    await nodes.call('b', 'hold', { ...move, attached: destination.attached })
    await nodes.call('a', 'divert', { ...move, destinationNodeIps: [nodeIps.b], role: 'source', sandboxPid: source.pid })
    await nodes.call('a', 'lock', { uid: 'm1', sandboxPid: source.pid })
    // The wait doubles with each: after the third the next one is over a second away.
    while (tcpCount(nodes, 'c', 'RetransSegs') < 3) await sleep(10)
    const sentAgain = tcpCount(nodes, 'c', 'RetransSegs')
    await nodes.call('a', 'undo', { ...move, role: 'source', sandboxPid: source.pid, otherNodeIps: [nodeIps.b] })
    await nodes.call('b', 'undo', { ...move, role: 'destination', otherNodeIps: [nodeIps.a] })
    expect(await answered).to.match(/^push 700 \d+ c$/)
    expect(await own.ask('say again')).to.match(/^again \d+ c$/)
    expect(tcpCount(nodes, 'c', 'RetransSegs'), 'sent again').to.equal(sentAgain)
    expect(await own.ask('stats')).to.deep.equal({ errors: [], lines: [] })
  })

  it('keeps the port that a node stands in with, when the pod moves', async () => {
    nodes.in('a', fakeProxy)
    await nodes.call('a', 'apply', state('a', []))
    const destination = await nodes.addAwaitedPod('b', 'pb', podIp)
    const client = nodes.client('c')
    const first = String(await client.ask(`udp ${nodeIps.a} 30000 x`))
    await nodes.wholeMove('m1', { from: 'a', to: 'b', pod: source, attached: destination.attached })
    const second = String(await client.ask(`udp ${nodeIps.a} 30000 x`))
    expect(first).to.match(/^x \d+ pa$/)
    expect(second).to.equal(first.replace('pa', 'pb'))
  })

  it('keeps a client outside whom the node knows under another of its ports, because two of its flows have the same', async () => {
    nodes.in('a', fakeLocalProxy)
    await nodes.call('a', 'apply', state('a', []))
    const destination = await nodes.addAwaitedPod('b', 'pb', podIp)
    const client = nodes.client('c')
    expect(await client.ask(`udp ${podIp} 7000 x`)).to.equal('x 5555 pa')
    const first = String(await client.ask(`udp ${nodeIps.a} 30001 x`))
    expect(first).to.match(/^x \d+ pa$/)
    expect(first).not.to.equal('x 5555 pa')
    await nodes.wholeMove('m1', { from: 'a', to: 'b', pod: source, attached: destination.attached })
    expect(await client.ask(`udp ${nodeIps.a} 30001 x`)).to.equal(first.replace('pa', 'pb'))
    expect(await client.ask(`udp ${podIp} 7000 x`)).to.equal('x 5555 pb')
  })

  it('does not masquerade a flow that the pod continues on a node that has not seen it', async () => {
    nodes.in(
      'a',
      'nft "table ip nat { chain post { type nat hook postrouting priority 100; ip saddr 10.244.1.0/24 oifname eth0 masquerade; }; }"',
    )
    await nodes.call('a', 'apply', state('a', []))
    const client = nodes.client('c')
    await client.ask(`connect ${podIp} 7000`)
    const pushed = client.ask('say push 400')
    await sleep(200)
    nodes.in('a', 'conntrack -F 2>/dev/null')
    expect(await pushed).to.match(/^push 400 \d+ pa$/)
    expect(await client.ask('stats')).to.deep.equal({ errors: [], lines: [] })
  })

  const endpoints = [
    ['the destination', '10.244.2.7', 'b'],
    ['the source', '10.244.1.7', 'a'],
  ] as const
  for (const [where, endpoint, node] of endpoints) {
    it(`takes along the endpoint that the pod’s own Service flow chose, on ${where}`, async () => {
      const name = `q${node}`
      await nodes.addBridgedPod(node, name, endpoint)
      nodes.in('a', serviceTo(endpoint))
      const tried = await nodes.addAwaitedPod('b', 'p1', podIp)
      const destination = await nodes.addAwaitedPod('b', 'p2', podIp)
      const before = nodes.client('pa')
      expect(await before.ask('udp 10.96.0.1 7000 x')).to.equal(`x 5555 ${name}`)
      expect((await nodes.survey('a', source, ['10.96.0.1'])).reasons).to.deep.equal([])
      const undo = await nodes.halfMove('m1', { from: 'a', to: 'b', pod: source, attached: tried.attached })
      await undo()
      expect(await before.ask('udp 10.96.0.1 7000 y')).to.equal(`y 5555 ${name}`)
      await nodes.wholeMove('m2', { from: 'a', to: 'b', pod: source, attached: destination.attached })
      // Node b knows no such Service: only the entry translates.
      expect(await nodes.client('p2').ask('udp 10.96.0.1 7000 z')).to.equal(`z 5555 ${name}`)
      expect(nodes.in('a', `conntrack -L -s ${podIp} 2>/dev/null || true`)).to.not.contain('10.96.0.1')
    })
  }

  it('follows flows that began after the first look', async () => {
    await nodes.addBridgedPod('a', 'qa', '10.244.1.7')
    nodes.in('a', serviceTo('10.244.1.7'))
    const survey = { uid: 'm1', ips: [podIp], sandboxPid: source.pid, podCidrs, serviceIps: ['10.96.0.1'] }
    const { legs, openPorts } = await nodes.survey('a', source)
    expect(openPorts).to.deep.equal([7000])
    await nodes.call('a', 'prepare', { ...move, legs })
    expect(await nodes.client('pa').ask('udp 10.96.0.1 7000 x')).to.equal('x 5555 qa')
    const change = await nodes.call<FlowChange>('a', 'changedFlows', { ...survey, again: true })
    expect(change.added.map((leg) => [leg.destination, leg.destinationNat?.address])).to.deep.equal([['10.96.0.1', '10.244.1.7']])
    expect(await nodes.call('a', 'changedFlows', { ...survey, again: false })).to.deep.equal({ added: [], ended: [] })
    await nodes.call('b', 'arm', { ...move, legs, openPorts })
    await nodes.call('b', 'rearm', { ...move, change })
    expect(await nodes.call('b', 'missingFlows', move)).to.deep.equal([])
    nodes.in('b', 'conntrack -F 2>/dev/null')
    expect(await nodes.call<string[]>('b', 'missingFlows', move)).to.have.length(1)
  })

  it('a translation that was not rewritten is seen: the pod’s own Service flow goes nowhere', async () => {
    await nodes.addBridgedPod('a', 'qa', '10.244.1.7')
    nodes.in('a', serviceTo('10.244.1.7'))
    const destination = await nodes.addAwaitedPod('b', 'pb', podIp)
    expect(await nodes.client('pa').ask('udp 10.96.0.1 7000 x')).to.equal('x 5555 qa')
    await nodes.halfMove('m1', { from: 'a', to: 'b', pod: source, attached: destination.attached })
    expect(await nodes.call('b', 'missingFlows', move)).to.deep.equal([])
    nodes.in('b', `conntrack -D -s ${podIp} 2>/dev/null`)
    expect(await nodes.call<string[]>('b', 'missingFlows', move)).to.have.length(1)
    await nodes.call('b', 'release', { ...move, attached: destination.attached })
    expect(await nodes.client('pb').ask('udp 10.96.0.1 7000 z')).to.equal(null)
  })

  for (const forgotten of [false, true]) {
    it(`a pod that calls itself through its Service while it is diverted keeps that flow${forgotten ? ', even where the table forgets it' : ''}`, async () => {
      nodes.in('a', serviceTo(podIp))
      nodes.in('a', masqueradeItself)
      await nodes.call('a', 'apply', state('a', []))
      const destination = await nodes.addAwaitedPod('b', 'pb', podIp)
      const own = nodes.client('pa')
      expect(await own.ask('connect 10.96.0.1 7000')).to.equal('connected')
      const survey = { uid: 'm1', ips: [podIp], sandboxPid: source.pid, podCidrs, serviceIps: ['10.96.0.1'] }
      const { legs, openPorts } = await nodes.survey('a', source, ['10.96.0.1'])
      expect(legs.map((leg) => [leg.destination, leg.destinationNat?.address])).to.deep.equal([['10.96.0.1', podIp]])
      await nodes.call('a', 'prepare', { ...move, legs })
      await nodes.call('b', 'arm', { ...move, legs, openPorts })
      await nodes.call('b', 'hold', { ...move, attached: destination.attached })
      await nodes.call('a', 'divert', { ...move, destinationNodeIps: [nodeIps.b], role: 'source', sandboxPid: source.pid })
      void own.ask('say between')
      await sleep(300)
      const entries = nodes.in('a', `conntrack -L -s ${podIp} 2>/dev/null`)
      expect(entries, 'with the port that it had').to.contain(`dport=${legs[0]?.sourceNat?.port} `)
      if (forgotten) nodes.in('a', 'conntrack -F 2>/dev/null')
      await nodes.call('a', 'lock', { uid: 'm1', sandboxPid: source.pid })
      expect(await nodes.call('a', 'changedFlows', { ...survey, again: false })).to.deep.equal({ added: [], ended: [] })
      expect(await nodes.call('b', 'missingFlows', move)).to.deep.equal([])
    })
  }

  it('what the pod says to itself until it is frozen stays with it, on its way to the node that stands in for it and on its way from there', async () => {
    for (const node of ['a', 'b']) {
      nodes.in(node, serviceTo(podIp))
      nodes.in(node, masqueradeItself)
    }
    await nodes.call('a', 'apply', state('a', []))
    expect(await nodes.client('pa').ask('udp 10.96.0.1 7000 x')).to.match(/^x \d+ pa$/)
    const pods = { p1: await nodes.addAwaitedPod('b', 'p1', podIp), p2: await nodes.addAwaitedPod('a', 'p2', podIp) }
    await nodes.wholeMove('m0', { from: 'a', to: 'b', pod: source, attached: pods.p1.attached })
    const moves = [
      { uid: 'm1', from: 'b', to: 'a', name: 'p1', pod: pods.p1, next: pods.p2 },
      { uid: 'm2', from: 'a', to: 'b', name: 'p2', pod: pods.p2, next: await nodes.addAwaitedPod('b', 'p3', podIp) },
    ] as const
    for (const { uid, from, to, name, pod, next } of moves) {
      const { legs, openPorts } = await nodes.survey(from, pod, ['10.96.0.1'])
      expect(legs.flatMap(({ sourceNat }) => sourceNat?.address ?? [])).to.deep.equal([nodeIps.a])
      await nodes.call(from, 'prepare', { ...move, uid, legs })
      await nodes.call(to, 'arm', { ...move, uid, legs, openPorts })
      await nodes.call(to, 'hold', { ...move, uid, attached: next.attached })
      await nodes.call(from, 'divert', { ...move, uid, destinationNodeIps: [nodeIps[to]], role: 'source', sandboxPid: pod.pid })
      const before = pod.output.seen.length
      await nodes.client(name).ask('burst 10.96.0.1 7000 3')
      await sleep(200)
      const itself = ['count 0', 'count 1', 'count 2']
      expect(pod.output.seen.slice(before)).to.deep.equal(itself)
      // Under the same address, from somebody else: it waits.
      await nodes.client('a').ask(`burst ${podIp} 7000 1`)
      await sleep(200)
      expect(pod.output.seen.slice(before)).to.deep.equal(itself)
      await nodes.call(to, 'release', { ...move, uid, attached: next.attached })
      await sleep(200)
      expect(next.output.seen.slice(-1)).to.deep.equal(['count 0'])
      for (const node of [from, to]) await nodes.call(node, 'settle', uid)
      expect(nodes.in(from, 'nft list tables netdev'), 'left behind').to.equal('')
    }
  })

  for (const guarded of [true, false]) {
    it(`a segment that nobody has translated yet ${guarded ? 'waits for its translation' : 'would end the flow, were there no guard'}`, async () => {
      await nodes.addBridgedPod('b', 'qb', '10.244.2.7')
      nodes.in('a', serviceTo('10.244.2.7'))
      const destination = await nodes.addAwaitedPod('b', 'pb', podIp)
      const own = nodes.client('pa')
      await own.ask('connect 10.96.0.1 7000')
      await nodes.call('b', 'arm', { ...move, legs: [], openPorts: [7000] })
      await nodes.call('b', 'prepareHold', { ...move, attached: destination.attached })
      if (!guarded) nodes.in('b', 'nft flush chain ip podmotion guard; nft flush chain ip podmotion guardLocal')
      void own.ask('say push 700')
      await sleep(300)
      await nodes.call('b', 'hold', { ...move, attached: destination.attached })
      await nodes.call('a', 'divert', { ...move, destinationNodeIps: [nodeIps.b], role: 'source', sandboxPid: source.pid })
      await nodes.call('a', 'lock', { uid: 'm1', sandboxPid: source.pid })
      await sleep(800)
      await nodes.call('b', 'release', { ...move, attached: destination.attached })
      await sleep(300)
      // Nobody was restored here, so whatever reaches the pod's address is answered with a reset.
      expect(resetsIn(nodes, 'qb')).to.equal(guarded ? 0 : 1)
    })
  }

  it('relays what the first node masqueraded, on later moves too, and until the flow ends', async () => {
    await nodes.serve('c')
    for (const node of ['a', 'b']) nodes.in(node, masquerade)
    const first = await nodes.addAwaitedPod('b', 'p1', podIp)
    const second = await nodes.addAwaitedPod('a', 'p2', podIp)
    const third = await nodes.addAwaitedPod('b', 'p3', podIp)
    const answer = String(await nodes.client('pa').ask(`udp ${clientIp} 7000 x`))
    expect(answer).to.match(/^x \d+ c$/)
    await nodes.wholeMove('m1', { from: 'a', to: 'b', pod: source, attached: first.attached })
    expect(await nodes.client('p1').ask(`udp ${clientIp} 7000 x`)).to.equal(answer)
    expect(nodes.in('b', 'ip rule')).to.contain('lookup 28673')
    await nodes.wholeMove('m2', { from: 'b', to: 'a', pod: first, attached: second.attached })
    expect(await nodes.client('p2').ask(`udp ${clientIp} 7000 x`)).to.equal(answer)
    expect(await nodes.call('b', 'sweepRelays')).to.deep.equal({})
    expect(nodes.in('b', 'ip rule; ip route show table all')).to.not.match(/28673/)
    await nodes.wholeMove('m3', { from: 'a', to: 'b', pod: second, attached: third.attached })
    await nodes.call('b', 'sweepRelays')
    expect(await nodes.client('p3').ask(`udp ${clientIp} 7000 x`)).to.equal(answer)
    nodes.in('b', 'conntrack -D -p udp 2>/dev/null')
    await nodes.call('b', 'sweepRelays')
    expect(nodes.in('b', 'ip rule; ip route show table all')).to.not.match(/28673/)
  })
})
