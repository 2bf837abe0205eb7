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

  it('are kept from new connections from the reservation to the end of the move', async () => {
    const flow = { protocol: 'udp', source: nodeIps.a, sourcePort: ports.from, destination: podIp, destinationPort: 7000 }
    const elsewhere = { ...flow, source: nodeIps.b, sourcePort: ports.to }
    for (const end of ['undo', 'settle']) {
      await nodes.call('a', 'reserve', { uid: end, flows: [flow, elsewhere] })
      expect(seen(8), 'while it is reserved').to.deep.equal([ports.to])
      await nodes.call('a', end, end === 'undo' ? { uid: end, role: 'home' } : end)
      expect(nodes.in('a', 'conntrack -L -p udp 2>/dev/null | grep -v src=${clientIp} || true')).to.equal('')
      expect(seen(16), 'afterwards').to.deep.equal([ports.from, ports.to])
    }
  })

  it('stay with whom they have', async () => {
    const [taken = 0] = seen(1)
    ask(40_000)
    const flow = { protocol: 'udp', source: nodeIps.a, sourcePort: ports.from, destination: podIp, destinationPort: 7000 }
    await nodes.call('a', 'reserve', { uid: 'm2', flows: [flow, { ...flow, sourcePort: ports.to }] })
    expect(taken).to.be.within(ports.from, ports.to)
    expect(ask(40_000)).to.be.within(ports.from, ports.to)
    await nodes.call('a', 'undo', { uid: 'm2', role: 'home' })
    expect(ask(40_000)).to.be.within(ports.from, ports.to)
  })

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
    const program = `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", ${ownPort})); s.settimeout(3); s.sendto(b"x", ("${podIp}", 7000)); print(s.recv(100).decode())`
    return Number(nodes.in('c', `python3 -c '${program}'`).split(' ')[1])
  }
})
