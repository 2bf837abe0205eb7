// The network room on two nodes of namespaces: packets wait and arrive in order, connections live on, and undo leaves nothing.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { clientIp, Nodes, nodeIps, type Pod, podIp } from './nodes.ts'

describe('the network of a moving pod', function () {
  this.timeout(60_000)
  let nodes: Nodes
  let source: Pod
  const move = { uid: 'm1', ip: podIp }

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
    await nodes.call('b', 'arm', { ...move, nodeIp: nodeIps.b, legs })
    await nodes.call('b', 'hold', { ...move, attached: destination.attached })
    await nodes.call('a', 'divert', { ...move, destinationNodeIp: nodeIps.b, role: 'source', sandboxPid: source.pid })
    await client.ask(`burst ${podIp} 7000 200`)
    await sleep(200)
    expect(destination.output.seen).to.deep.equal(['ready'])
    expect(source.output.seen).to.deep.equal(['ready'])
    await nodes.call('b', 'release', { ...move, attached: destination.attached })
    await sleep(200)
    expect(destination.output.seen.slice(1)).to.deep.equal(Array.from({ length: 200 }, (_, number) => `count ${number}`))
    expect(await client.ask(`udp ${podIp} 7000 again`)).to.match(/^count 0 5555 pb|^again 5555 pb/)
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
    expect({ connections, listeners, reasons }).to.deep.equal({ connections: 3, listeners: 1, reasons: [] })
    await nodes.call('b', 'arm', { ...move, nodeIp: nodeIps.b, legs })
    await nodes.call('b', 'hold', { ...move, attached: destination.attached })
    await nodes.call('a', 'divert', { ...move, destinationNodeIp: nodeIps.b, role: 'source', sandboxPid: source.pid })
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
      await nodes.call('b', 'arm', { ...move, nodeIp: nodeIps.b, legs })
      await nodes.call('b', 'hold', { ...move, attached: destination.attached })
      await nodes.call('a', 'divert', { ...move, destinationNodeIp: nodeIps.b, role: 'source', sandboxPid: source.pid })
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

  it('moves there and back home, with neighbours on the home bridge', async () => {
    await nodes.addBridgedPod('a', 'qa', '10.244.1.6')
    const away = await nodes.addAwaitedPod('b', 'pb', podIp)
    const [outside, near] = [nodes.client('c'), nodes.client('qa')]
    for (const client of [outside, near]) expect(await client.ask(`udp ${podIp} 7000 x`)).to.equal('x 5555 pa')
    await wholeMove('m1', { from: 'a', to: 'b', pod: source, attached: away.attached })
    for (const client of [outside, near]) expect(await client.ask(`udp ${podIp} 7000 x`)).to.equal('x 5555 pb')

    const home = await nodes.addAwaitedPod('a', 'pc', podIp)
    const second = await nodes.addAwaitedPod('a', 'pd', podIp)
    await nodes.call('a', 'hold', { uid: 'm2', ip: podIp, attached: second.attached })
    await nodes.call('b', 'divert', { uid: 'm2', ip: podIp, destinationNodeIp: nodeIps.a, role: 'source', sandboxPid: away.pid })
    await nodes.call('b', 'undo', { uid: 'm2', ip: podIp, role: 'source', sandboxPid: away.pid })
    await nodes.call('a', 'undo', { uid: 'm2', ip: podIp, role: 'destination' })
    for (const client of [outside, near]) expect(await client.ask(`udp ${podIp} 7000 x`)).to.equal('x 5555 pb')

    await wholeMove('m3', { from: 'b', to: 'a', pod: away, attached: home.attached })
    for (const client of [outside, near]) expect(await client.ask(`udp ${podIp} 7000 x`)).to.equal('x 5555 pc')
  })

  it('keeps the port that a node stands in with, when the pod moves', async () => {
    nodes.in('a', fakeProxy)
    await nodes.call('a', 'apply', state('a', []))
    const destination = await nodes.addAwaitedPod('b', 'pb', podIp)
    const client = nodes.client('c')
    const first = String(await client.ask(`udp ${nodeIps.a} 30000 x`))
    await wholeMove('m1', { from: 'a', to: 'b', pod: source, attached: destination.attached })
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

    await nodes.call('a', 'divert', { uid: 'm9', ip: podIp, destinationNodeIp: clientIp, role: 'home' })
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

  it('names the flows that it cannot keep', async () => {
    nodes.in(
      'a',
      'nft "table ip nat { chain post { type nat hook postrouting priority 100; ip saddr 10.244.1.0/24 oifname eth0 masquerade; }; chain pre { type nat hook prerouting priority -100; ip daddr 10.96.0.1 dnat to 172.31.0.2; }; }"',
    )
    const far = nodes.client('pa')
    await nodes.addBridgedPod('b', 'qb', '10.244.2.7')
    nodes.in('b', 'nft "table ip nat { chain pre { type nat hook prerouting priority -100; tcp dport 7000 dnat to 10.244.2.7; }; }"')
    await far.ask('connect 10.96.0.1 7000')
    const survey = await nodes.survey('a', source, ['10.96.0.1'])
    expect(survey.reasons.map(({ code, blocking }) => ({ code, blocking }))).to.deep.equal([{ code: 'ServiceFlow', blocking: false }])
    expect(survey.reasons[0]?.message).to.match(/1 flow\(s\).*tcp 10\.244\.1\.5:\d+ -> 10\.96\.0\.1:7000/)
    const outside = nodes.client('pa')
    await outside.ask(`connect ${nodeIps.b} 7000`)
    const codes = (await nodes.survey('a', source, ['10.96.0.1'])).reasons.map((reason) => reason.code)
    expect(codes).to.deep.equal(['ServiceFlow', 'MasqueradedFlow'])
  })

  interface WholeMove {
    from: 'a' | 'b'
    to: 'a' | 'b'
    pod: Pod
    attached: unknown
  }

  async function wholeMove(uid: string, { from, to, pod, attached }: WholeMove): Promise<void> {
    const ip = podIp
    const { legs } = await nodes.survey(from, pod)
    await nodes.call(to, 'arm', { uid, ip, nodeIp: nodeIps[to], legs })
    await nodes.call(to, 'hold', { uid, ip, attached })
    await nodes.call(from, 'divert', { uid, ip, destinationNodeIp: nodeIps[to], role: 'source', sandboxPid: pod.pid })
    await nodes.call(from, 'lock', { uid, sandboxPid: pod.pid })
    await nodes.call(to, 'release', { uid, ip, attached })
    for (const node of [from, to]) await nodes.call(node, 'settle', uid)
  }
})

function state(node: 'a' | 'b', moved: { ip: string; nodeIp: string; homeNodeIp?: string }[]): object {
  return { nodeIp: nodeIps[node], podCidrs: ['10.244.1.0/24', '10.244.2.0/24'], movable: [podIp], moved }
}

/** What kube-proxy does with a NodePort: translate, mark, masquerade. */
const fakeProxy = `nft -f - <<X
table ip proxy {
  chain pre { type nat hook prerouting priority -100; fib daddr type local udp dport 30000 meta mark set meta mark | 0x4000 dnat to ${podIp}:7000; }
  chain post { type nat hook postrouting priority 100; meta mark & 0x4000 == 0x4000 masquerade fully-random; }
}
X`
