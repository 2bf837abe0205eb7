// A node that stands in for a pod's flows to itself gives their ports to nobody else while the pod moves.
import { expect } from 'chai'
import { clientIp, Nodes, nodeIps, podIp } from './nodes.ts'

const ports = { from: 55555, to: 55556 }

describe('ports between the ends of a flow to itself', function () {
  this.timeout(30_000)
  let nodes: Nodes

  before(async function () {
    if (process.getuid?.() !== 0) this.skip()
    nodes = new Nodes()
    await nodes.addBridgedPod('a', 'pa', podIp)
    nodes.in(
      'a',
      `nft "table ip stand { chain post { type nat hook postrouting priority 90; ip saddr ${clientIp} ip daddr ${podIp} meta l4proto udp snat to ${nodeIps.a}:${ports.from}-${ports.to} fully-random; }; }"`,
    )
  })
  after(() => nodes?.close())

  it('are kept from new connections from the reservation to the end of the move, whether the agent lives as long or not', async () => {
    for (const [end, restarted] of [
      ['undo', false],
      ['settle', false],
      ['undo', true],
      ['settle', true],
    ] as const) {
      const uid = `${end}-${restarted}`
      await nodes.call('a', 'reserve', { uid, ips: [podIp], legs: [leg(nodeIps.a, ports.from), leg(nodeIps.b, ports.to)] })
      if (restarted) await nodes.restartAgent('a')
      expect(seen(8), 'while it is reserved').to.deep.equal([ports.to])
      expect(askFrom('a', ports.from), 'of its own').to.not.equal(ports.from)
      nodes.in('a', `conntrack -D -p udp --orig-src ${nodeIps.a} --orig-dst ${podIp} 2>/dev/null`)
      await nodes.call('a', end, end === 'undo' ? { uid, role: 'home' } : uid)
      // The others go on for a moment, until they hear of it.
      expect(seen(8), 'just after it').to.deep.equal([ports.to])
      nodes.in('a', 'conntrack -F 2>/dev/null')
      expect(seen(16), 'afterwards').to.deep.equal([ports.from, ports.to])
    }
  })

  it('are kept for a moment where the pod has left', async () => {
    await nodes.call('a', 'prepare', { uid: 'm3', ips: [podIp], legs: [leg(nodeIps.a, ports.from), leg(nodeIps.b, ports.to)] })
    await nodes.call('a', 'settle', 'm3')
    expect(seen(8)).to.deep.equal([ports.to])
    expect(nodes.in('a', 'conntrack -L -p udp 2>/dev/null')).to.match(/^udp +17 (\d|1[0-5]) src=10.244.1.5/m)
    nodes.in('a', 'conntrack -F 2>/dev/null')
  })

  it('are left to the flow where the pod has come meanwhile', async () => {
    await nodes.call('a', 'reserve', { uid: 'm4', ips: [podIp], legs: [leg(nodeIps.a, ports.from)] })
    nodes.in('a', `ip route add ${podIp} dev cni0`)
    await nodes.call('a', 'settle', 'm4')
    expect(nodes.in('a', 'conntrack -L -p udp 2>/dev/null')).to.match(/^udp +17 3[56]\d\d src=10.244.1.5/m)
    nodes.in('a', `ip route del ${podIp} dev cni0; conntrack -F 2>/dev/null`)
  })

  it('stay with whom they have', async () => {
    const first = ask(40_000)
    await nodes.call('a', 'reserve', { uid: 'm2', ips: [podIp], legs: [leg(nodeIps.a, ports.from), leg(nodeIps.a, ports.to, 4)] })
    expect(ask(40_000)).to.equal(first)
    await nodes.call('a', 'undo', { uid: 'm2', role: 'home' })
    expect(ask(40_000)).to.equal(first)
  })

  /** A flow of the pod to itself. */
  function leg(standIn: string, port: number, sourcePort = 3): unknown {
    const tuple = { protocol: 'udp', source: podIp, sourcePort, destination: '10.96.0.1', destinationPort: 80 }
    const translation = { sourceNat: { address: standIn, port }, destinationNat: { address: podIp, port: 7000 } }
    return { ...tuple, ...translation, mark: 0, windowScaleOriginal: 0, windowScaleReply: 0 }
  }

  /** The ports under which the pod saw so many clients, one after the other. */
  function seen(times: number): number[] {
    const all = Array.from({ length: times }, (_, index) => {
      const port = ask(41_000 + index)
      nodes.in('a', `conntrack -D -p udp --orig-src ${clientIp} --orig-dst ${podIp} 2>/dev/null`)
      return port
    })
    return [...new Set(all)].sort()
  }

  function ask(ownPort: number): number {
    return askFrom('c', ownPort)
  }

  function askFrom(place: string, ownPort: number): number {
    const program = `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("${place === 'a' ? nodeIps.a : clientIp}", ${ownPort})); s.settimeout(3); s.sendto(b"x", ("${podIp}", 7000)); print(s.recv(100).decode())`
    return Number(nodes.in(place, `python3 -c '${program}'`).split(' ')[1])
  }
})
