// A process of a node that is preempted in the middle of sending goes on by the route that it had looked up, whatever has become of it.
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import type { Attached } from '../../../src/agent/rooms.ts'
import { type NodeName, Nodes, nodeIps, nodeIps6, type Pod, podIp, podIp6 } from './nodes.ts'

const burst = Array.from({ length: 5 }, (_, number) => `count ${number}`)

describe('packets that a node was just sending to a pod when its routes changed', function () {
  this.timeout(60_000)
  let nodes: Nodes
  let source: Pod
  let destination: Pod & { attached: Attached }

  beforeEach(async function () {
    if (process.getuid?.() !== 0) this.skip()
    nodes = new Nodes()
    nodes.dualStack()
    source = await nodes.addBridgedPod('a', 'pa', podIp)
    // A bridge without a port has no carrier.
    await nodes.addBridgedPod('a', 'qa', '10.244.1.6')
    destination = await nodes.addAwaitedPod('b', 'pb', podIp)
  })

  afterEach(() => nodes?.close())

  /** What this node's own processes send from now on takes these ways, to whom it would have gone. */
  function goStale(node: NodeName, way: string, way6: string): void {
    nodes.in(
      node,
      `ip route add ${podIp} ${way} table 77; ip rule add pref 1 iif lo to ${podIp} lookup 77
       ip -6 route add ${podIp6} ${way6} table 77; ip -6 rule add pref 1 iif lo to ${podIp6} lookup 77`,
    )
    const mac = nodes.in('pa', 'cat /sys/class/net/eth0/address').trim()
    if (node === 'a') for (const ip of [podIp, podIp6]) nodes.in('a', `ip neigh replace ${ip} lladdr ${mac} dev cni0`)
  }

  async function sendsFrom(node: NodeName): Promise<void> {
    for (const ip of [podIp, podIp6]) await nodes.client(node).ask(`burst ${ip} 7000 ${burst.length}`)
    await sleep(200)
  }

  for (const [node, { way, way6, why }] of Object.entries({
    a: { way: 'dev cni0', way6: 'dev cni0', why: 'of the source, which go to a bridge that the pod has left' },
    b: {
      way: `via ${nodeIps.a}`,
      way6: `via ${nodeIps6.a}`,
      why: 'of the destination, which go to the source and come back as nobody may',
    },
  }) as [NodeName, { way: string; way6: string; why: string }][])
    it(`wait with all others: those ${why}`, async () => {
      await nodes.halfMove('m1', { from: 'a', to: 'b', pod: source, attached: destination.attached })
      goStale(node, way, way6)
      const before = source.output.seen.length
      await sendsFrom(node)
      expect(source.output.seen.length, 'none of them is at the source').to.equal(before)
      expect(destination.output.seen, 'and none gets to a pod that is not there yet').to.deep.equal(['ready'])
      await nodes.call('b', 'release', { uid: 'm1', ips: nodes.ips, attached: destination.attached })
      await sleep(200)
      expect(destination.output.seen.slice(1)).to.deep.equal([...burst, ...burst])
      await sendsFrom(node)
      expect(destination.output.seen.slice(1), 'nor is one lost later').to.deep.equal([...burst, ...burst, ...burst, ...burst])
      for (const one of ['a', 'b'] as const) await nodes.call(one, 'settle', 'm1')
      for (const one of ['a', 'b']) expect(nodes.in(one, 'nft list tables netdev')).to.equal('')
    })
})
