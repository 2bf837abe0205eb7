// The network room with a pod of two addresses: each step does for IPv6 what it does for IPv4, in one move.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { clientIp6, Nodes, nodeIps6, type Pod, podIp, podIp6 } from './nodes.ts'

const counts = (to: number): string[] => Array.from({ length: to }, (_, number) => `count ${number}`)

describe('the network of a moving pod with an address of each family', function () {
  this.timeout(60_000)
  let nodes: Nodes
  let source: Pod

  beforeEach(async function () {
    if (process.getuid?.() !== 0 || !existsSync('/proc/net/if_inet6')) this.skip()
    nodes = new Nodes()
    nodes.dualStack()
    source = await nodes.addBridgedPod('a', 'pa', podIp)
  })

  afterEach(() => nodes?.close())

  it('holds what peers send over IPv6, asks nobody for its neighbour, and delivers in order', async () => {
    const destination = await nodes.addAwaitedPod('b', 'pb', podIp)
    const client = nodes.client('c')
    // Without a rule the kernel tracks nothing.
    await nodes.call('a', 'apply', state('a', []))
    expect(await client.ask(`udp ${podIp6} 7000 hello`)).to.equal('hello 5555 pa')
    const { legs } = await nodes.survey('a', source)
    expect(legs.map(({ destination: to }) => to)).to.deep.equal([podIp6])
    await nodes.halfMove('m1', { from: 'a', to: 'b', pod: source, attached: destination.attached })
    await client.ask(`burst ${podIp6} 7000 200`)
    // Longer than one solicitation takes: the pod would answer it.
    await sleep(1200)
    expect(destination.output.seen).to.deep.equal(['ready'])
    await nodes.call('b', 'release', { uid: 'm1', ips: nodes.ips, attached: destination.attached })
    await sleep(200)
    expect(destination.output.seen.slice(1)).to.deep.equal(counts(200))
  })

  it('a hold in which the pod is asked for its neighbour entry lets packets through: its kernel answers', async () => {
    const destination = await nodes.addAwaitedPod('b', 'pb', podIp)
    await nodes.halfMove('m1', { from: 'a', to: 'b', pod: source, attached: destination.attached })
    nodes.in('b', 'sysctl -qw net.ipv6.neigh.hpb.app_solicit=0 net.ipv6.neigh.hpb.mcast_solicit=3')
    await nodes.client('c').ask(`burst ${podIp6} 7000 3`)
    await sleep(1200)
    expect(destination.output.seen.slice(1)).to.deep.equal(counts(3))
  })

  it('gives back what waited, whoever sent it, when the move goes back', async () => {
    await nodes.addBridgedPod('a', 'qa', '10.244.1.6')
    const destination = await nodes.addAwaitedPod('b', 'pb', podIp)
    await nodes.halfMove('m1', { from: 'a', to: 'b', pod: source, attached: destination.attached })
    const before = source.output.seen.length
    const senders = ['c', 'qa', 'a', 'b']
    for (const sender of senders) for (const ip of nodes.ips) await nodes.client(sender).ask(`burst ${ip} 7000 5`)
    await sleep(100)
    expect(source.output.seen.length).to.equal(before)
    await nodes.call('a', 'undo', { uid: 'm1', role: 'source', sandboxPid: source.pid, otherNodeIps: nodes.nodeIpsOf('b') })
    await nodes.call('b', 'undo', { uid: 'm1', role: 'destination', otherNodeIps: nodes.nodeIpsOf('a') })
    await sleep(200)
    expect(source.output.seen.slice(before)).to.have.members(senders.flatMap(() => nodes.ips.flatMap(() => counts(5))))
    await nodes.call('a', 'wayBackEnds', nodes.ips)
    for (const node of ['a', 'b']) expect(nodes.in(node, 'nft list tables netdev')).to.equal('')
  })

  it('undoes a move so that no connection notices and nothing is left', async () => {
    const lease = path.join(nodes.folder, 'a/cni/networks/lab', podIp6)
    writeFileSync(lease, 'abc123\neth0')
    await nodes.addBridgedPod('a', 'qa', '10.244.1.6')
    const destination = await nodes.addAwaitedPod('b', 'pb', podIp)
    const clients = ['c', 'qa', 'b'].map((name) => nodes.client(name))
    for (const client of clients) await client.ask(`connect ${podIp6} 7000`)
    const before = nodes.snapshot('a')
    expect(await nodes.survey('a', source)).to.deep.include({ connections: 3, reasons: [] })
    const undo = await nodes.halfMove('m1', { from: 'a', to: 'b', pod: source, attached: destination.attached })
    const answers = clients.map((client) => client.ask('say during'))
    await sleep(300)
    expect(readFileSync(lease, 'utf8')).to.equal(`podmotion:${podIp6}\neth0`)
    await undo()
    for (const answer of await Promise.all(answers)) expect(answer).to.match(/^during \d+ pa$/)
    for (const client of clients) expect(await client.ask('stats')).to.deep.equal({ errors: [], lines: [] })
    expect(nodes.snapshot('a')).to.equal(before)
    expect(readFileSync(lease, 'utf8')).to.equal('abc123\neth0')
  })

  it('moves there and back home, with neighbours on the home bridge', async () => {
    await nodes.addBridgedPod('a', 'qa', '10.244.1.6')
    const away = await nodes.addAwaitedPod('b', 'pb', podIp)
    const home = await nodes.addAwaitedPod('a', 'pc', podIp)
    const clients = ['c', 'qa', 'b'].map((name) => nodes.client(name))
    const everywhere = async (name: string): Promise<void> => {
      for (const client of clients)
        for (const ip of nodes.ips) expect(await client.ask(`udp ${ip} 7000 x`), `${name} ${ip}`).to.equal(`x 5555 ${name}`)
    }
    await nodes.call('a', 'apply', state('a', []))
    await everywhere('pa')
    await nodes.wholeMove('m1', { from: 'a', to: 'b', pod: source, attached: away.attached })
    await everywhere('pb')
    // Whoever knows nothing of it yet asks, and the home answers.
    nodes.in('qa', 'ip neigh flush dev eth0; ip -6 neigh flush dev eth0')
    await everywhere('pb')
    await nodes.wholeMove('m2', { from: 'b', to: 'a', pod: away, attached: home.attached })
    await everywhere('pc')
  })

  it('relays what the first node masqueraded, by a rule of the family, until the flow ends', async () => {
    await nodes.serve('c')
    for (const node of ['a', 'b']) nodes.in(node, masquerade)
    const away = await nodes.addAwaitedPod('b', 'pb', podIp)
    const answer = String(await nodes.client('pa').ask(`udp ${clientIp6} 7000 x`))
    expect(answer).to.match(/^x \d+ c$/)
    await nodes.wholeMove('m1', { from: 'a', to: 'b', pod: source, attached: away.attached })
    expect(await nodes.client('pb').ask(`udp ${clientIp6} 7000 x`)).to.equal(answer)
    expect(nodes.in('b', 'ip -6 rule')).to.contain('lookup 28673')
    expect(nodes.in('b', 'ip rule')).to.not.contain('lookup 28673')
    expect(await nodes.call('b', 'sweepRelays')).to.deep.equal({})
    nodes.in('b', 'conntrack -D -f ipv6 -p udp 2>/dev/null')
    await nodes.call('b', 'sweepRelays')
    expect(nodes.in('b', 'ip -6 rule; ip -6 route show table all')).to.not.match(/28673/)
  })

  it('applies the wish of the controller, and takes all of it off again', async () => {
    const before = nodes.in('a', 'ip -6 route show; ip -6 neigh show proxy; cat /proc/sys/net/ipv6/conf/all/proxy_ndp')
    await nodes.call('a', 'apply', state('a', [{ ip: podIp6, nodeIp: nodeIps6.b, homeNodeIp: nodeIps6.a }]))
    expect(nodes.in('a', `ip -6 route show ${podIp6}`)).to.contain(`via ${nodeIps6.b} dev eth0 proto 112`)
    expect(nodes.in('a', 'ip -6 neigh show proxy')).to.contain(`${podIp6} dev cni0 proxy`)
    expect(nodes.in('a', 'nft list set ip6 podmotion movable')).to.contain(podIp6)
    await nodes.call('a', 'apply', state('a', [{ ip: podIp6, nodeIp: nodeIps6.b }]))
    await nodes.call('a', 'apply', { ...state('a', []), movable: [] })
    await nodes.call('a', 'uninstall')
    expect(nodes.in('a', 'nft list ruleset')).to.equal('')
    expect(nodes.in('a', 'ip -6 route show; ip -6 neigh show proxy; cat /proc/sys/net/ipv6/conf/all/proxy_ndp')).to.equal(before)
    expect(readdirSync(path.join(nodes.folder, 'a/state'))).to.not.include('network')
  })

  function state(node: 'a' | 'b', moved: { ip: string; nodeIp: string; homeNodeIp?: string }[]): object {
    return { nodeIps: nodes.nodeIpsOf(node), podCidrs: ['10.244.1.0/24', 'fd00:244:0:1::/64'], movable: nodes.ips, moved }
  }
})

const masquerade =
  'nft "table ip6 nat { chain post { type nat hook postrouting priority 100; ip6 saddr fd00:244::/48 ip6 daddr != fd00:244::/48 oifname eth0 masquerade fully-random; }; }"'
