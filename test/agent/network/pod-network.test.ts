// The network room on two nodes of namespaces: packets wait and arrive in order, connections live on, and undo leaves nothing.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import type { FlowChange } from '../../../src/agent/rooms.ts'
import { clientIp, fakeProxy, Nodes, nodeIps, type Pod, podIp } from './nodes.ts'

describe('the network of a moving pod', function () {
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

  it('holds what peers send and delivers it in order', async () => {
    const destination = await nodes.addAwaitedPod('b', 'pb', podIp)
    const client = nodes.client('c')
    expect(await client.ask(`udp ${podIp} 7000 hello`)).to.equal('hello 5555 pa')
    const { legs } = await nodes.survey('a', source)
    await nodes.call('b', 'arm', { ...move, legs, openPorts: [7000] })
    await nodes.call('b', 'hold', { ...move, attached: destination.attached })
    await nodes.call('a', 'divert', { ...move, destinationNodeIps: [nodeIps.b], role: 'source', sandboxPid: source.pid })
    await client.ask(`burst ${podIp} 7000 200`)
    await sleep(200)
    expect(destination.output.seen).to.deep.equal(['ready'])
    expect(source.output.seen).to.deep.equal(['ready'])
    await nodes.call('b', 'release', { ...move, attached: destination.attached })
    await sleep(200)
    expect(destination.output.seen.slice(1)).to.deep.equal(Array.from({ length: 200 }, (_, number) => `count ${number}`))
    expect(await client.ask(`udp ${podIp} 7000 again`)).to.match(/^count 0 5555 pb|^again 5555 pb/)
  })

  it('lets the pod speak until it is frozen, whatever the node thinks of where its packets come from', async () => {
    const peer = await nodes.serve('c')
    for (const reversePath of [0, 1, 2]) {
      nodes.in('a', `for d in all default; do echo ${reversePath} > /proc/sys/net/ipv4/conf/$d/rp_filter; done`)
      const destination = await nodes.addAwaitedPod('b', `pb${reversePath}`, podIp)
      const uid = `m${reversePath}`
      await nodes.call('b', 'arm', { ...move, uid, legs: [], openPorts: [7000] })
      await nodes.call('b', 'hold', { ...move, uid, attached: destination.attached })
      await nodes.call('a', 'divert', { ...move, uid, destinationNodeIps: [nodeIps.b], role: 'source', sandboxPid: source.pid })
      const before = peer.output.seen.length
      await nodes.client('pa').ask(`burst ${clientIp} 7000 3`)
      await sleep(200)
      expect(peer.output.seen.slice(before)).to.deep.equal(['count 0', 'count 1', 'count 2'])
      await nodes.call('a', 'undo', { ...move, uid, role: 'source', sandboxPid: source.pid })
      await nodes.call('b', 'undo', { ...move, uid, role: 'destination' })
    }
  })

  it('lets the pod speak to its neighbours on the bridge until it is frozen', async () => {
    const [neighbour, pod] = [await nodes.addBridgedPod('a', 'qa', '10.244.1.6'), nodes.client('pa')]
    const destination = await nodes.addAwaitedPod('b', 'pb', podIp)
    await pod.ask('burst 10.244.1.6 7000 1')
    await nodes.call('b', 'arm', { ...move, legs: [], openPorts: [7000] })
    await nodes.call('b', 'hold', { ...move, attached: destination.attached })
    await nodes.call('a', 'divert', { ...move, destinationNodeIps: [nodeIps.b], role: 'source', sandboxPid: source.pid })
    await pod.ask('burst 10.244.1.6 7000 3')
    await sleep(200)
    expect(neighbour.output.seen.slice(1)).to.deep.equal(['count 0', 'count 0', 'count 1', 'count 2'])
    await nodes.call('a', 'undo', { ...move, role: 'source', sandboxPid: source.pid })
    await nodes.call('b', 'undo', { ...move, role: 'destination' })
    expect(nodes.in('a', 'nft list tables netdev'), 'left behind').to.equal('')
    await pod.ask('burst 10.244.1.6 7000 1')
    await sleep(200)
    expect(neighbour.output.seen).to.have.length(6)
  })

  it('loses nothing that a neighbour on the bridge sends while it is diverted', async () => {
    await nodes.addBridgedPod('a', 'qa', '10.244.1.6')
    const neighbour = nodes.client('qa')
    const destination = await nodes.addAwaitedPod('b', 'pb', podIp)
    await neighbour.ask(`udp ${podIp} 7000 hello`)
    const diversion = { ...move, destinationNodeIps: [nodeIps.b], role: 'source', sandboxPid: source.pid }
    await nodes.call('b', 'arm', { ...move, legs: [], openPorts: [7000] })
    await nodes.call('a', 'prepareDivert', diversion)
    await nodes.call('b', 'hold', { ...move, attached: destination.attached })
    const sent = neighbour.ask(`burst ${podIp} 7000 200 200`)
    await sleep(10)
    await nodes.call('a', 'divert', diversion)
    await sent
    await nodes.call('b', 'release', { ...move, attached: destination.attached })
    await sleep(200)
    const [before, after] = [source, destination].map(({ output }) => output.seen.slice(1)) as [string[], string[]]
    expect(after, 'all came before the diversion').to.not.deep.equal([])
    expect([...before, ...after]).to.deep.equal(Array.from({ length: 200 }, (_, number) => `count ${number}`))
  })

  it('gives back what waited, whoever sent it, when the move goes back', async () => {
    await nodes.addBridgedPod('a', 'qa', '10.244.1.6')
    for (const reversePath of [0, 1, 2]) {
      nodes.in('a', `for d in all default; do echo ${reversePath} > /proc/sys/net/ipv4/conf/$d/rp_filter; done`)
      const destination = await nodes.addAwaitedPod('b', `pb${reversePath}`, podIp)
      const uid = `m${reversePath}`
      const { legs } = await nodes.survey('a', source)
      await nodes.call('b', 'arm', { ...move, uid, legs, openPorts: [7000] })
      await nodes.call('b', 'hold', { ...move, uid, attached: destination.attached })
      await nodes.call('a', 'divert', { ...move, uid, destinationNodeIps: [nodeIps.b], role: 'source', sandboxPid: source.pid })
      await nodes.call('a', 'lock', { uid, sandboxPid: source.pid })
      const before = source.output.seen.length
      // Outside, a pod of the source's node, and both nodes themselves.
      const senders = ['c', 'qa', 'a', 'b']
      for (const sender of senders) await nodes.client(sender).ask(`burst ${podIp} 7000 5`)
      await sleep(100)
      expect(source.output.seen.length).to.equal(before)
      await nodes.call('a', 'unlock', { uid, sandboxPid: source.pid })
      await nodes.call('a', 'undo', { ...move, uid, role: 'source', sandboxPid: source.pid, otherNodeIps: [nodeIps.b] })
      await nodes.call('b', 'undo', { ...move, uid, role: 'destination', otherNodeIps: [nodeIps.a] })
      await sleep(200)
      const counts = senders.flatMap(() => Array.from({ length: 5 }, (_, number) => `count ${number}`))
      expect(source.output.seen.slice(before)).to.deep.equal(counts)
      await nodes.call('a', 'wayBackEnds', [podIp])
      // As a killed agent leaves one.
      nodes.in('b', 'for t in podmotion_back_10_244_1_9 podmotion_frames_veth9 somebodys; do nft add table netdev $t; done')
      expect(await nodes.call('b', 'sweep', [])).to.deep.equal([
        'way back podmotion_back_10_244_1_9',
        'rules podmotion_frames_veth9 of a pod that has left',
      ])
      nodes.in('b', 'nft delete table netdev somebodys')
      for (const node of ['a', 'b']) expect(nodes.in(node, 'nft list tables netdev')).to.equal('')
    }
  })

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
    while (tcpCount('c', 'RetransSegs') < 3) await sleep(10)
    const sentAgain = tcpCount('c', 'RetransSegs')
    await nodes.call('a', 'unlock', { uid: 'm1', sandboxPid: source.pid })
    await nodes.call('a', 'undo', { ...move, role: 'source', sandboxPid: source.pid, otherNodeIps: [nodeIps.b] })
    await nodes.call('b', 'undo', { ...move, role: 'destination', otherNodeIps: [nodeIps.a] })
    expect(await answered).to.match(/^push 700 \d+ c$/)
    expect(await own.ask('say again')).to.match(/^again \d+ c$/)
    expect(tcpCount('c', 'RetransSegs'), 'sent again').to.equal(sentAgain)
    expect(await own.ask('stats')).to.deep.equal({ errors: [], lines: [] })
  })

  it('undoes a move so that no connection notices and nothing is left', async () => {
    const lease = path.join(nodes.folder, 'a/cni/networks/lab', podIp)
    writeFileSync(lease, 'abc123\neth0')
    const neighbour = await nodes.addBridgedPod('a', 'qa', '10.244.1.6')
    const destination = await nodes.addAwaitedPod('b', 'pb', podIp)
    const [outside, near, onNode] = [nodes.client('c'), nodes.client('qa'), nodes.client('b')]
    for (const client of [outside, near, onNode]) await client.ask(`connect ${podIp} 7000`)
    const before = nodes.snapshot('a')
    const routesBefore = nodes.in('b', 'ip route show; ip neigh show proxy')
    expect(neighbour.pid).to.be.greaterThan(0)

    const { legs, connections, listeners, reasons } = await nodes.survey('a', source)
    expect({ connections, listeners, reasons }).to.deep.equal({ connections: 3, listeners: 2, reasons: [] })
    await nodes.call('b', 'arm', { ...move, legs, openPorts: [7000] })
    await nodes.call('b', 'hold', { ...move, attached: destination.attached })
    await nodes.call('a', 'divert', { ...move, destinationNodeIps: [nodeIps.b], role: 'source', sandboxPid: source.pid })
    await nodes.call('a', 'lock', { uid: 'm1', sandboxPid: source.pid })
    const answers = [outside, near, onNode].map((client) => client.ask('say during'))
    await sleep(300)
    expect(readFileSync(lease, 'utf8')).to.equal(`podmotion:${podIp}\neth0`)
    await nodes.call('a', 'undo', { ...move, role: 'source', sandboxPid: source.pid })
    await nodes.call('b', 'undo', { ...move, role: 'destination' })
    await nodes.call('a', 'unlock', { uid: 'm1', sandboxPid: source.pid })

    for (const answer of await Promise.all(answers)) expect(answer).to.match(/^during \d+ pa$/)
    for (const client of [outside, near, onNode]) expect(await client.ask('say after')).to.match(/^after \d+ pa$/)
    for (const client of [outside, near, onNode]) expect(await client.ask('stats')).to.deep.equal({ errors: [], lines: [] })
    expect(nodes.snapshot('a')).to.equal(before)
    expect(nodes.in('b', 'ip route show; ip neigh show proxy')).to.equal(routesBefore)
    expect(readFileSync(lease, 'utf8')).to.equal('abc123\neth0')
    expect(readdirSync(path.join(nodes.folder, 'a/state/network'))).to.deep.equal([])
    expect(nodes.in('pa', 'nft list ruleset')).to.equal('')
  })

  it('can be asked twice for each step', async () => {
    const destination = await nodes.addAwaitedPod('b', 'pb', podIp)
    const before = nodes.snapshot('a')
    const { legs } = await nodes.survey('a', source)
    const steps = async (): Promise<void> => {
      await nodes.call('b', 'arm', { ...move, legs, openPorts: [7000] })
      await nodes.call('b', 'hold', { ...move, attached: destination.attached })
      await nodes.call('a', 'divert', { ...move, destinationNodeIps: [nodeIps.b], role: 'source', sandboxPid: source.pid })
      await nodes.call('a', 'lock', { uid: 'm1', sandboxPid: source.pid })
    }
    await steps()
    await steps()
    const undo = async (): Promise<void> => {
      await nodes.call('a', 'undo', { ...move, role: 'source', sandboxPid: source.pid })
      await nodes.call('b', 'undo', { ...move, role: 'destination' })
      await nodes.call('a', 'unlock', { uid: 'm1', sandboxPid: source.pid })
    }
    await undo()
    await undo()
    expect(nodes.snapshot('a')).to.equal(before)
    expect(await nodes.client('c').ask(`udp ${podIp} 7000 hello`)).to.equal('hello 5555 pa')
  })

  it('refuses a step that comes after the undoing: the guard of a pod that is not here would stop all its packets', async () => {
    const destination = await nodes.addAwaitedPod('b', 'pb', podIp)
    const { legs } = await nodes.survey('a', source)
    const change = { added: [{ ...someLeg, destination: podIp }], ended: [] }
    await nodes.call('b', 'arm', { ...move, legs, openPorts: [7000] })
    await nodes.call('b', 'hold', { ...move, attached: destination.attached })
    const undone = nodes.call('b', 'undo', { ...move, role: 'destination' })
    const late = await nodes.call('b', 'rearm', { ...move, change }).catch(String)
    await undone
    expect(late).to.contain('it was undone here meanwhile')
    expect(nodes.in('b', 'nft list set ip podmotion guarded')).to.not.contain(podIp)
    expect(readdirSync(path.join(nodes.folder, 'b/state/network'))).to.deep.equal([])
  })

  it('moves there and back home, with neighbours on the home bridge', async () => {
    await nodes.addBridgedPod('a', 'qa', '10.244.1.6')
    const away = await nodes.addAwaitedPod('b', 'pb', podIp)
    const [outside, near] = [nodes.client('c'), nodes.client('qa')]
    for (const client of [outside, near]) expect(await client.ask(`udp ${podIp} 7000 x`)).to.equal('x 5555 pa')
    await nodes.wholeMove('m1', { from: 'a', to: 'b', pod: source, attached: away.attached })
    for (const client of [outside, near]) expect(await client.ask(`udp ${podIp} 7000 x`)).to.equal('x 5555 pb')

    const home = await nodes.addAwaitedPod('a', 'pc', podIp)
    const second = await nodes.addAwaitedPod('a', 'pd', podIp)
    await nodes.call('a', 'hold', { uid: 'm2', ips: [podIp], attached: second.attached })
    await nodes.call('b', 'divert', { uid: 'm2', ips: [podIp], destinationNodeIps: [nodeIps.a], role: 'source', sandboxPid: away.pid })
    await nodes.call('b', 'undo', { uid: 'm2', ips: [podIp], role: 'source', sandboxPid: away.pid })
    await nodes.call('a', 'undo', { uid: 'm2', ips: [podIp], role: 'destination' })
    expect(nodes.in('b', `ip route get ${podIp}`), 'what its own node calls it from').to.contain(`src ${nodeIps.b}`)
    for (const client of [outside, near]) expect(await client.ask(`udp ${podIp} 7000 x`)).to.equal('x 5555 pb')

    await nodes.wholeMove('m3', { from: 'b', to: 'a', pod: away, attached: home.attached })
    for (const client of [outside, near]) expect(await client.ask(`udp ${podIp} 7000 x`)).to.equal('x 5555 pc')
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

  it('hands on what passes the home, of which the answers go another way, where kube-proxy drops what is INVALID', async () => {
    nodes.in('a', `nft 'table ip kube { chain forward { type filter hook forward priority 0; ct state invalid counter drop; }; }'`)
    const client = nodes.client('c')
    const destination = await nodes.addAwaitedPod('b', 'pb', podIp)
    await nodes.wholeMove('m1', { from: 'a', to: 'b', pod: source, attached: destination.attached })
    await nodes.call('a', 'apply', state('a', [{ ip: podIp, nodeIp: nodeIps.b, homeNodeIp: nodeIps.a }]))
    expect(await client.ask(`connect ${podIp} 7000`)).to.equal('connected')
    expect(await client.ask('say hello'), 'through the home').to.match(/^hello \d+ pb$/)
    expect(nodes.in('a', 'nft list table ip kube')).to.contain('counter packets 0 bytes 0')
  })

  it('applies the wish of the controller, and leaves open migrations alone', async () => {
    const lease = path.join(nodes.folder, 'a/cni/networks/lab', podIp)
    writeFileSync(lease, 'abc123\neth0')
    nodes.in('a', 'ip route add 10.99.0.0/16 via 172.31.0.2; ip neigh add proxy 10.244.1.77 dev cni0')
    const foreign = nodes.in('a', 'ip route show; ip neigh show proxy')
    const moved = [{ ip: podIp, nodeIp: nodeIps.b, homeNodeIp: nodeIps.a }]
    await nodes.call('a', 'apply', state('a', moved))
    expect(nodes.in('a', `ip route show ${podIp}`)).to.contain(`via ${nodeIps.b} dev eth0 proto 112`)
    expect(nodes.in('a', 'ip neigh show proxy')).to.contain(`${podIp} dev cni0 proxy`)
    expect(nodes.in('a', 'cat /proc/sys/net/ipv4/conf/cni0/send_redirects /proc/sys/net/ipv4/neigh/cni0/proxy_delay')).to.equal('0\n0\n')
    expect(readFileSync(lease, 'utf8')).to.equal(`podmotion:${podIp}\neth0`)

    await nodes.call('a', 'divert', { uid: 'm9', ips: [podIp], destinationNodeIps: [clientIp], role: 'home' })
    await nodes.call('a', 'apply', state('a', []))
    expect(nodes.in('a', `ip route show ${podIp}`)).to.contain(`via ${clientIp}`)
    expect(await nodes.call('a', 'sweep', [], true)).to.deep.equal([`network record of migration m9 (home of ${podIp})`])
    expect(await nodes.call('a', 'sweep', ['m9'], false)).to.deep.equal([])
    await nodes.call('a', 'settle', 'm9')

    await nodes.call('a', 'apply', { ...state('a', []), movable: [] })
    expect(nodes.in('a', 'ip route show; ip neigh show proxy')).to.equal(foreign)
    expect(readdirSync(path.dirname(lease))).to.deep.equal([])
    await nodes.call('a', 'uninstall')
    expect(nodes.in('a', 'nft list ruleset')).to.equal('')
    expect(nodes.in('a', 'cat /proc/sys/net/ipv4/conf/eth0/send_redirects')).to.equal('1\n')
  })

  it('is taken off a node whose pods go on: those beside the bridge are ports of it again, in the middle of their connections', async () => {
    const beside = '10.244.1.9'
    const { attached } = await nodes.addAwaitedPod('a', 'pn', beside)
    nodes.in(
      'a',
      `ip route add ${beside} dev hpn proto 112 scope link src 10.244.1.1; ip neigh replace ${beside} lladdr ${attached.podMac} dev hpn nud permanent
       ip neigh replace proxy ${beside} dev cni0 protocol 112`,
    )
    const lease = path.join(nodes.folder, 'a/cni/networks/lab', beside)
    writeFileSync(lease, `podmotion:${beside}\neth0`)
    const neighbour = nodes.client('pa')
    const outside = nodes.client('c')
    for (const client of [neighbour, outside]) expect(await client.ask(`connect ${beside} 7000`)).to.equal('connected')
    await nodes.call('a', 'uninstall')
    expect(nodes.in('a', 'bridge link')).to.match(/hpn@.* master cni0 state forwarding/)
    expect(nodes.in('a', `ip route show proto 112; ip neigh show proxy`)).to.equal('')
    expect(readFileSync(lease, 'utf8'), 'its address is in use').to.contain(beside)
    for (const client of [neighbour, outside]) expect(await client.ask('say still')).to.match(/^still \d+ pn$/)
    nodes.in('pa', 'ip neigh flush dev eth0')
    nodes.in('a', `ip neigh flush dev cni0`)
    for (const client of [nodes.client('pa'), nodes.client('c')]) {
      expect(await client.ask(`connect ${beside} 7000`)).to.equal('connected')
      expect(await client.ask('say anew')).to.match(/^anew \d+ pn$/)
    }
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
      expect(resetsIn('qb')).to.equal(guarded ? 0 : 1)
    })
  }

  it('a hold that lets packets through is seen: the peer is reset', async () => {
    const destination = await nodes.addAwaitedPod('b', 'pb', podIp)
    const client = nodes.client('c')
    await client.ask(`connect ${podIp} 7000`)
    const { legs, openPorts } = await nodes.survey('a', source)
    await nodes.call('b', 'arm', { ...move, legs, openPorts })
    await nodes.call('b', 'hold', { ...move, attached: destination.attached })
    nodes.in('b', `ip neigh replace ${podIp} lladdr ${destination.attached.podMac} dev hpb nud permanent`)
    await nodes.call('a', 'divert', { ...move, destinationNodeIps: [nodeIps.b], role: 'source', sandboxPid: source.pid })
    void client.ask('say lost')
    await sleep(500)
    expect(resetsIn('c')).to.equal(1)
  })

  /** Connections that were open there and ended by a reset. */
  function resetsIn(namespace: string): number {
    return tcpCount(namespace, 'EstabResets')
  }

  function tcpCount(namespace: string, name: string): number {
    const [names = '', values = ''] = nodes.in(namespace, 'grep ^Tcp: /proc/net/snmp').split('\n')
    return Number(values.split(' ')[names.split(' ').indexOf(name)])
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

function state(node: 'a' | 'b', moved: { ip: string; nodeIp: string; homeNodeIp?: string }[]): object {
  return { nodeIps: [nodeIps[node]], podCidrs, movable: [podIp], moved }
}

const someLeg = {
  protocol: 'tcp',
  source: clientIp,
  sourcePort: 4000,
  destinationPort: 7000,
  mark: 0,
  windowScaleOriginal: 7,
  windowScaleReply: 7,
}
const podCidrs = ['10.244.1.0/24', '10.244.2.0/24']

/** What kube-proxy does with a Service that has one endpoint. */
const serviceTo = (endpoint: string): string =>
  `nft "table ip service { chain pre { type nat hook prerouting priority -100; ip daddr 10.96.0.1 dnat to ${endpoint}; }; }"`

/** Of a packet that goes back to where it came from, as kube-proxy's nftables mode does. */
const masqueradeItself = `nft "table ip itself { chain post { type nat hook postrouting priority 100; ct status dnat ip saddr ${podIp} ip daddr ${podIp} masquerade fully-random; }; }"`

const masquerade =
  'nft "table ip nat { chain post { type nat hook postrouting priority 100; ip saddr 10.244.0.0/16 ip daddr != 10.244.0.0/16 oifname eth0 masquerade fully-random; }; }"'

/** What kube-proxy does with a NodePort: translate, mark, masquerade. */
