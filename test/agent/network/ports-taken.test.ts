// A pod that speaks to one endpoint from one port twice, straight and through a Service: the kernel gives the later flow another port towards it.
import { expect } from 'chai'
import { Nodes, type Pod, podIp } from './nodes.ts'

const endpoint = '10.244.2.7'
const service = `nft -f - <<X
table ip service {
  chain pre { type nat hook prerouting priority -100; ip daddr 10.96.0.1 udp dport 7000 dnat to ${endpoint}:7000; }
}
X`

describe('a port that a pod uses twice', function () {
  this.timeout(60_000)
  const move = { uid: 'm1', ips: [podIp] }
  let nodes: Nodes
  let source: Pod

  beforeEach(async function () {
    if (process.getuid?.() !== 0) this.skip()
    nodes = new Nodes()
    source = await nodes.addBridgedPod('a', 'pa', podIp)
    await nodes.addBridgedPod('b', 'qb', endpoint)
    nodes.in('a', service)
  })

  afterEach(() => nodes?.close())

  async function stays(pod: ReturnType<Nodes['client']>, port: string | undefined): Promise<void> {
    expect(await pod.ask('udp 10.96.0.1 7000 served')).to.equal(`served ${port} qb`)
    expect(await pod.ask(`udp ${endpoint} 7000 straight`)).to.equal('straight 5555 qb')
  }

  it('stays what it was on the way to the endpoint, when the pod moves to its node and back', async () => {
    const pod = nodes.client('pa')
    expect(await pod.ask(`udp ${endpoint} 7000 straight`)).to.equal('straight 5555 qb')
    const [, port] = String(await pod.ask('udp 10.96.0.1 7000 served')).split(' ')
    expect(port).to.not.equal('5555')
    const there = await nodes.addAwaitedPod('b', 'pb', podIp)
    await nodes.halfMove('m1', { from: 'a', to: 'b', pod: source, attached: there.attached })
    expect(await nodes.call('b', 'missingFlows', move)).to.deep.equal([])
    await nodes.call('b', 'release', { ...move, attached: there.attached })
    const moved = nodes.client('pb')
    await stays(moved, port)
    for (const node of ['a', 'b'] as const) await nodes.call(node, 'settle', 'm1')
    await stays(moved, port)
    const home = await nodes.addAwaitedPod('a', 'pc', podIp)
    await nodes.wholeMove('m2', { from: 'b', to: 'a', pod: there, attached: home.attached })
    await stays(nodes.client('pc'), port)
  })
})
