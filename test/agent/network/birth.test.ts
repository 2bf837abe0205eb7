// A pod that was born beside its bridge, moved by the real network room: everybody who speaks to it goes on, and it is as it was after a rollback.
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { type Client, Nodes, nodeIps, nodeIps6, type Pod, podIp, podIp6 } from './nodes.ts'

const neighbourIp = '10.244.1.6'
const twinIp = '10.244.1.7'
const veth = 'hpa'

describe('the network of a pod that was born beside its bridge', function () {
  this.timeout(60_000)
  let nodes: Nodes
  let source: Pod

  beforeEach(async function () {
    if (process.getuid?.() !== 0 || !existsSync('/proc/net/if_inet6')) this.skip()
    nodes = new Nodes()
    nodes.dualStack()
    await applyOn('a', [])
    await nodes.addBridgedPod('a', 'qa', neighbourIp)
    source = await nodes.addBornPod('a', 'pa', podIp)
    await nodes.addBornPod('a', 'ta', twinIp)
    await applyOn('a', [])
  })

  afterEach(() => nodes?.close())

  async function applyOn(node: 'a' | 'b', moved: { ip: string; nodeIp: string; homeNodeIp?: string }[]): Promise<void> {
    const state = { nodeIps: nodes.nodeIpsOf(node), podCidrs: ['10.244.1.0/24', 'fd00:244:0:1::/64'], movable: nodes.ips, moved }
    await nodes.call(node, 'apply', state)
  }

  const ways = (): string =>
    nodes.in('a', `ip route show ${podIp}; ip -6 route show ${podIp6}; ip neigh show proxy ${podIp}; ip -6 neigh show proxy ${podIp6}`)

  /** A pod on the bridge, one beside it, the node, somebody outside; and the pod to all of these. */
  async function connectAll(): Promise<Client[]> {
    const clients = await Promise.all(
      nodes.ips.flatMap((ip) => ['qa', 'ta', 'a', 'b', 'c'].map(async (name) => ({ client: nodes.client(name), ip }))),
    )
    for (const { client, ip } of clients) expect(await client.ask(`connect ${ip} 7000`)).to.equal('connected')
    return clients.map(({ client }) => client)
  }

  async function allAnswer(clients: readonly Client[], by: string): Promise<void> {
    for (const client of clients) expect(await client.ask(`udp ${podIp} 7000 hello`)).to.match(new RegExp(`^hello \\d+ ${by}$`))
    for (const client of clients) expect(await client.ask(`udp ${podIp6} 7000 hello`)).to.match(new RegExp(`^hello \\d+ ${by}$`))
  }

  it('is reached by everybody, and reaches its neighbours', async () => {
    expect(nodes.in('a', 'bridge link')).to.contain('hqa').and.not.contain(veth)
    expect(ways()).to.match(new RegExp(`${podIp} dev ${veth} proto 112 scope link src 10.244.1.1`))
    const clients = await connectAll()
    await allAnswer(clients, 'pa')
    for (const client of clients) expect(await client.ask('say hello')).to.match(/^hello \d+ pa$/)
    for (const ip of [neighbourIp, twinIp]) expect(await nodes.client('pa').ask(`udp ${ip} 7000 out`)).to.match(/^out \d+ [qt]a$/)
  })

  it('goes back from half a move as it was, and no connection notices', async () => {
    const clients = await connectAll()
    const before = nodes.snapshot('a')
    const destination = await nodes.addAwaitedPod('b', 'pb', podIp)
    const undo = await nodes.halfMove('m1', { from: 'a', to: 'b', pod: source, attached: destination.attached })
    const asked = clients.map((client) => client.ask('say waited'))
    await sleep(300)
    await undo()
    for (const answer of asked) expect(await answer).to.match(/^waited \d+ pa$/)
    await allAnswer(clients, 'pa')
    // From now on under the node's own address, as after every rollback.
    const after = nodes.snapshot('a').replace(`src ${nodeIps.a}`, 'src 10.244.1.1')
    expect(after.replace(`src ${nodeIps6.a}`, 'src fd00:244:0:1::1')).to.equal(before)
  })

  it('moves away and home, under everybody', async () => {
    const speakers = [nodes.client('qa'), nodes.client('ta'), nodes.client('a'), nodes.client('c')]
    await allAnswer(speakers, 'pa')
    const there = await nodes.addAwaitedPod('b', 'pb', podIp)
    await nodes.wholeMove('m1', { from: 'a', to: 'b', pod: source, attached: there.attached })
    await allAnswer(speakers, 'pb')
    await nodes.removePod('a', 'pa')
    await applyOn('a', [
      { ip: podIp, nodeIp: nodeIps.b, homeNodeIp: nodeIps.a },
      { ip: podIp6, nodeIp: nodeIps6.b, homeNodeIp: nodeIps.a },
    ])
    await allAnswer(speakers, 'pb')
    const home = await nodes.addAwaitedPod('a', 'pc', podIp)
    await nodes.wholeMove('m2', { from: 'b', to: 'a', pod: there, attached: home.attached })
    await allAnswer(speakers, 'pc')
    await nodes.removePod('a', 'pc')
    await applyOn('a', [])
    expect(ways(), 'left behind').to.equal('')
  })

  it('has its host port also at its node’s localhost, as a pod on the bridge has', async () => {
    nodes.in('a', 'echo 1 > /proc/sys/net/ipv4/conf/cni0/route_localnet')
    await nodes.addBornPod('a', 'la', '10.244.1.8')
    const movable = [...nodes.ips, '10.244.1.8', neighbourIp]
    await nodes.call('a', 'apply', { nodeIps: nodes.nodeIpsOf('a'), podCidrs: ['10.244.1.0/24'], movable, moved: [] })
    nodes.in(
      'a',
      `nft 'table ip portmap {
        chain out { type nat hook output priority -100; ip daddr 127.0.0.1 tcp dport 17008 meta mark set 0x2000 dnat to 10.244.1.8:7000;
                                                         ip daddr 127.0.0.1 tcp dport 17006 meta mark set 0x2000 dnat to ${neighbourIp}:7000; }
        chain post { type nat hook postrouting priority 100; meta mark & 0x2000 == 0x2000 masquerade; }
      }'`,
    )
    for (const [port, name] of [
      ['17008', 'la'],
      ['17006', 'qa'],
    ]) {
      const client = nodes.client('a')
      expect(await client.ask(`connect 127.0.0.1 ${port}`)).to.equal('connected')
      expect(await client.ask('say hello')).to.match(new RegExp(`^hello \\d+ ${name}$`))
    }
  })

  it('is a port of the bridge again after uninstall, in the middle of its connections', async () => {
    const clients = await connectAll()
    await nodes.call('a', 'uninstall')
    expect(nodes.in('a', 'bridge link')).to.match(new RegExp(`${veth}@.* master cni0 state forwarding`))
    expect(ways()).to.equal('')
    for (const client of clients) expect(await client.ask('say still')).to.match(/^still \d+ pa$/)
    nodes.in('a', 'ip neigh flush dev cni0; ip -6 neigh flush dev cni0')
    nodes.in('qa', 'ip neigh flush dev eth0; ip -6 neigh flush dev eth0')
    await allAnswer(await connectAll(), 'pa')
  })
})
