// The network room on nodes that reach each other's pods through a tunnel only: not one packet with a pod's address passes beside it.
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { fakeProxy } from './fake-proxy.ts'
import { clientIp, Nodes, nodeIps, type Pod, podIp } from './nodes.ts'

const peerIp = '10.244.2.7'
const podCidrs = { a: ['10.244.1.0/24'], b: ['10.244.2.0/24'] }
/** flannel's own rules, on either node. */
const masquerade = (own: string): string => `nft 'table ip flannel { chain post { type nat hook postrouting priority 101;
  meta mark & 0x4000 == 0x4000 return; ip saddr ${own} ip daddr 10.244.0.0/16 return; ip saddr 10.244.0.0/16 ip daddr ${own} return;
  ip saddr != 10.244.0.0/16 ip daddr ${own} return; ip saddr 10.244.0.0/16 masquerade fully-random;
  ip saddr != 10.244.0.0/16 ip daddr 10.244.0.0/16 masquerade fully-random; }; }'`

describe('the network of a moving pod, through a tunnel', function () {
  this.timeout(60_000)
  let nodes: Nodes
  let source: Pod

  beforeEach(async function () {
    if (process.getuid?.() !== 0) this.skip()
    nodes = new Nodes()
    nodes.tunnel()
    source = await nodes.addBridgedPod('a', 'pa', podIp)
    await nodes.addBridgedPod('b', 'qb', peerIp)
    for (const node of ['a', 'b'] as const) {
      nodes.in(node, masquerade(podCidrs[node][0] ?? ''))
      await nodes.call(node, 'apply', { nodeIps: [nodeIps[node]], podCidrs: podCidrs[node], movable: [podIp], moved: [] })
    }
  })

  afterEach(() => {
    const dropped = nodes.in('fab', 'nft list table bridge strict')
    nodes.close()
    expect(dropped.match(/packets \d+/g)).to.deep.equal(['packets 0', 'packets 0'])
  })

  it('moves there and back home: for a pod, for the other node, and for who comes in through a node', async () => {
    nodes.in('a', fakeProxy)
    const outside = nodes.client('c')
    const inside = ['qb', 'b', 'a'].map((name) => nodes.client(name))
    const first = String(await outside.ask(`udp ${nodeIps.a} 30000 x`))
    for (const client of inside) expect(await client.ask(`udp ${podIp} 7000 x`)).to.equal('x 5555 pa')
    const away = await nodes.addAwaitedPod('b', 'pb', podIp)
    await nodes.wholeMove('m1', { from: 'a', to: 'b', pod: source, attached: away.attached })
    expect(nodes.in('a', `ip route show ${podIp}`)).to.contain('via 10.244.2.0 dev flannel.1 proto 112 onlink')
    expect(nodes.in('b', `ip route get ${podIp}`), 'what its own node calls it from').to.contain('src 10.244.2.0')
    expect(await outside.ask(`udp ${nodeIps.a} 30000 x`)).to.equal(first.replace('pa', 'pb'))
    for (const client of inside) expect(await client.ask(`udp ${podIp} 7000 x`)).to.equal('x 5555 pb')
    const home = await nodes.addAwaitedPod('a', 'pc', podIp)
    await nodes.wholeMove('m2', { from: 'b', to: 'a', pod: away, attached: home.attached })
    expect(await outside.ask(`udp ${nodeIps.a} 30000 x`)).to.equal(first.replace('pa', 'pc'))
    for (const client of inside) expect(await client.ask(`udp ${podIp} 7000 x`)).to.equal('x 5555 pc')
  })

  it('gives back what waited, whoever sent it, when the move goes back', async () => {
    const destination = await nodes.addAwaitedPod('b', 'pb', podIp)
    await nodes.addBridgedPod('a', 'qa', '10.244.1.6')
    const undone = { uid: 'm1', ips: [podIp] }
    await nodes.halfMove('m1', { from: 'a', to: 'b', pod: source, attached: destination.attached })
    const before = source.output.seen.length
    const senders = ['qa', 'qb', 'a', 'b']
    for (const sender of senders) await nodes.client(sender).ask(`burst ${podIp} 7000 5`)
    await sleep(100)
    expect(source.output.seen.length).to.equal(before)
    await nodes.call('a', 'undo', { ...undone, role: 'source', sandboxPid: source.pid, otherNodeIps: [nodeIps.b] })
    await nodes.call('b', 'undo', { ...undone, role: 'destination', otherNodeIps: [nodeIps.a] })
    await sleep(200)
    const counts = senders.flatMap(() => Array.from({ length: 5 }, (_, number) => `count ${number}`))
    expect(source.output.seen.slice(before)).to.deep.equal(counts)
    await nodes.call('a', 'wayBackEnds', [podIp])
  })

  it('relays what the first node masqueraded', async () => {
    await nodes.serve('c')
    const destination = await nodes.addAwaitedPod('b', 'pb', podIp)
    const answer = String(await nodes.client('pa').ask(`udp ${clientIp} 7000 x`))
    expect(answer).to.match(/^x \d+ c$/)
    await nodes.wholeMove('m1', { from: 'a', to: 'b', pod: source, attached: destination.attached })
    expect(await nodes.client('pb').ask(`udp ${clientIp} 7000 x`)).to.equal(answer)
    expect(nodes.in('b', 'ip route show table 28673')).to.contain('default via 10.244.1.0 dev flannel.1 proto 112 onlink')
  })
})
