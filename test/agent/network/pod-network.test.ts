// The network room on two nodes of namespaces: packets wait and arrive in order, connections live on, and undo leaves nothing.
import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { clientIp, Nodes, nodeIps, type Pod, podIp, state } from './nodes.ts'
import { resetsIn } from './tcp-counts.ts'

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
    // Of a move that this node has no journal of.
    expect(await nodes.call('a', 'sweep', [], false)).to.deep.equal([])
    const elevenMinutesAgo = Date.now() / 1000 - 660
    utimesSync(path.join(nodes.folder, 'a/run/network/m9.json'), elevenMinutesAgo, elevenMinutesAgo)
    expect(await nodes.call('a', 'sweep', [], true)).to.deep.equal([`network record of migration m9 (home of ${podIp})`])
    expect(await nodes.call('a', 'sweep', ['m9'], false)).to.deep.equal([])
    await nodes.call('a', 'settle', 'm9')

    await nodes.call('a', 'apply', { ...state('a', []), movable: [] })
    expect(nodes.in('a', 'ip route show; ip neigh show proxy')).to.equal(foreign)
    expect(readdirSync(path.dirname(lease))).to.deep.equal([])
    await nodes.call('a', 'divert', { uid: 'm10', ips: [podIp], destinationNodeIps: [clientIp], role: 'home' })
    await nodes.call('a', 'uninstall')
    for (const folder of ['state', 'run']) expect(existsSync(path.join(nodes.folder, 'a', folder, 'network'))).to.equal(false)
    expect(nodes.in('a', 'nft list ruleset')).to.equal('')
    expect(nodes.in('a', 'cat /proc/sys/net/ipv4/conf/eth0/send_redirects')).to.equal('1\n')
  })

  it('keeps a diversion through a restart of the agent of the home, until the move is over', async () => {
    const away = [{ ip: podIp, nodeIp: nodeIps.b, homeNodeIp: nodeIps.a }]
    const route = () => nodes.in('a', `ip route show ${podIp}`)
    await nodes.call('a', 'apply', state('a', away))
    const before = nodes.snapshot('a')
    for (const end of ['undo', 'settle'] as const) {
      await nodes.call('a', 'prepareDivert', { uid: end, ips: [podIp], destinationNodeIps: [clientIp], role: 'home' })
      await nodes.restartAgent('a')
      await nodes.call('a', 'divert', { uid: end, ips: [podIp], destinationNodeIps: [clientIp], role: 'home' })
      await nodes.restartAgent('a')
      await nodes.call('a', 'apply', state('a', away))
      expect(route(), 'while the move lasts').to.contain(`via ${clientIp}`)
      if (end === 'undo') await nodes.call('a', 'undo', { uid: end, role: 'home' })
      if (end === 'undo') expect(nodes.snapshot('a')).to.equal(before)
      else await nodes.call('a', 'settle', end)
    }
    await nodes.call('a', 'apply', state('a', away))
    expect(nodes.snapshot('a')).to.equal(before)
    await nodes.call('a', 'apply', state('a', []))
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

  it('does not let in what it cannot, and knows where there is nobody left to let it in to', async () => {
    const { attached } = await nodes.addAwaitedPod('b', 'pb', podIp)
    const release = async (how: object) => await nodes.call('b', 'release', { uid: 'm10', ips: [podIp], attached: { ...attached, ...how } })
    const failure = await release({ podMac: 'none' }).catch((error: Error) => error.message)
    expect(failure).to.be.a('string')
    expect(await release({})).to.equal(true)
    await nodes.removePod('b', 'pb')
    expect(await release({})).to.equal(false)
  })

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
    expect(resetsIn(nodes, 'c')).to.equal(1)
  })
})

const someLeg = {
  protocol: 'tcp',
  source: clientIp,
  sourcePort: 4000,
  destinationPort: 7000,
  mark: 0,
  windowScaleOriginal: 7,
  windowScaleReply: 7,
}
