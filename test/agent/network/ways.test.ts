// How another node is reached for a pod's address: from the tables of a node that has a tunnel, and of those that have none.
import { expect } from 'chai'
import { nextHop, wayRoute } from '../../../src/agent/network/ip-batches.ts'
import type { Route } from '../../../src/agent/network/route-table.ts'
import { tunnelDevices, tunnelEnds, wayTo } from '../../../src/agent/network/ways.ts'

const route = (range: string, device: string, gateway?: string): Route => {
  const [address = '', bits = '32'] = range.split('/')
  return { destination: address, bits: Number(bits), device, ...(gateway ? { gateway } : {}) }
}

const uplink = [route('0.0.0.0/0', 'eth0', '172.30.0.250'), route('172.30.0.0/24', 'eth0'), route('10.244.1.0/24', 'cni0')]
const hostGw = [...uplink, route('10.244.2.0/24', 'eth0', '172.30.0.2'), route('10.244.1.5/32', 'eth0', '172.30.0.2')]
const vxlan = [...uplink, route('10.244.2.0/24', 'flannel.1', '10.244.2.0'), route('10.244.3.0/24', 'flannel.1', '10.244.3.0')]
const ipip = [...uplink, route('10.244.2.0/26', 'tunl0', '172.30.0.2')]

const forwarding = JSON.stringify([
  { mac: '0e:00:00:00:00:03', ifname: 'flannel.1', flags: ['self'], state: 'permanent', dst: '172.30.0.3' },
  { mac: '0e:00:00:00:00:02', ifname: 'flannel.1', flags: ['self'], state: 'permanent', dst: '172.30.0.2' },
  { mac: '33:33:00:00:00:01', ifname: 'flannel.1', flags: ['self'], state: 'permanent' },
])
const neighbours = `IP address       HW type     Flags       HW address            Mask     Device
10.244.2.0       0x1         0x6         0e:00:00:00:00:02     *        flannel.1
172.30.0.2       0x1         0x2         0e:00:00:00:00:02     *        eth0
10.244.3.0       0x1         0x6         0e:00:00:00:00:03     *        flannel.1
10.244.9.0       0x1         0x6         0e:00:00:00:00:09     *        flannel.1
`
const ends = tunnelEnds('flannel.1', forwarding, neighbours)

describe('the way to another node', () => {
  it('is the node itself where the nodes route to each other, and where nothing leads to its pods', () => {
    for (const routes of [hostGw, uplink]) {
      expect(wayTo('172.30.0.2', routes, [])).to.deep.equal({ gateway: '172.30.0.2' })
      expect(tunnelDevices(routes)).to.deep.equal([])
    }
  })

  it('is the end of the tunnel that leads to its own pods', () => {
    expect(wayTo('172.30.0.3', vxlan, ends)).to.deep.equal({ gateway: '10.244.3.0', device: 'flannel.1' })
    expect(tunnelDevices(vxlan)).to.deep.equal(['flannel.1'])
  })

  it('is the node on the tunnel’s device where the tunnel has no addresses of its own', () => {
    expect(wayTo('172.30.0.2', ipip, [])).to.deep.equal({ gateway: '172.30.0.2', device: 'tunl0' })
  })

  it('goes past the tunnel to a node that is reached directly', () => {
    const direct = [...vxlan.slice(0, -1), route('10.244.3.0/24', 'eth0', '172.30.0.3')]
    expect(wayTo('172.30.0.3', direct, ends)).to.deep.equal({ gateway: '172.30.0.3' })
    expect(wayTo('172.30.0.2', direct, ends)).to.deep.equal({ gateway: '10.244.2.0', device: 'flannel.1' })
  })

  it('takes no default route and no gateway on a link of its own for a tunnel', () => {
    const cloud = [route('0.0.0.0/0', 'ens4', '10.0.0.1'), route('10.0.0.1/32', 'ens4'), route('169.254.169.254/32', 'ens4', '10.0.0.1')]
    expect(tunnelDevices(cloud)).to.deep.equal([])
    expect(tunnelDevices([route('0.0.0.0/0', 'ens4', '10.0.0.1')])).to.deep.equal([])
  })

  it('knows the ends of a tunnel by the MAC that both tables name', () => {
    expect(ends).to.deep.equal([
      { nodeIp: '172.30.0.2', address: '10.244.2.0' },
      { nodeIp: '172.30.0.3', address: '10.244.3.0' },
    ])
    expect(tunnelEnds('flannel.1', '', neighbours)).to.deep.equal([])
  })

  it('is the end of an IPv6 tunnel for addresses of IPv6', () => {
    const routes = [...vxlan, route('fd00:30::/64', 'eth0'), route('fd00:244:0:3::/64', 'flannel-v6.1', 'fd00:244:0:3::')]
    const behind = JSON.stringify([{ mac: '0e:00:00:00:06:03', dst: 'fd00:30::3' }])
    const known = JSON.stringify([
      { dst: 'fd00:244:0:3::', lladdr: '0e:00:00:00:06:03', state: ['PERMANENT'] },
      { dst: 'fe80::1', state: ['FAILED'] },
    ])
    const found = tunnelEnds('flannel-v6.1', behind, neighbours, known)
    expect(found).to.deep.equal([{ nodeIp: 'fd00:30::3', address: 'fd00:244:0:3::' }])
    expect(wayTo('fd00:30::3', routes, found)).to.deep.equal({ gateway: 'fd00:244:0:3::', device: 'flannel-v6.1' })
    expect(wayTo('fd00:30::2', routes, found)).to.deep.equal({ gateway: 'fd00:30::2' })
  })

  it('is written as the kernel takes it: a far end is on no link', () => {
    expect(nextHop({ gateway: '172.30.0.2' })).to.equal('via 172.30.0.2')
    expect(wayRoute('10.244.1.5', { gateway: '10.244.2.0', device: 'flannel.1' })).to.equal(
      'route replace 10.244.1.5/32 via 10.244.2.0 dev flannel.1 onlink proto 112',
    )
  })
})
