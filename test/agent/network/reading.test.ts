// What the kernel and the tools say, read.
import { expect } from 'chai'
import { parseEntries, refusedLines } from '../../../src/agent/network/conntrack-entries.ts'
import { parseProxies, parseRoutes } from '../../../src/agent/network/node-network.ts'
import { connectedDevices, hostRoute, parseIpv6RouteTable, parseRouteTable, routeTo } from '../../../src/agent/network/route-table.ts'
import { throughService } from './flow-samples.ts'

describe('reading what the kernel and the tools say', () => {
  it('conntrack entries of the helper', () => {
    const text = `[{"proto":"tcp","orig":["10.244.1.9",4001,"10.96.0.5",80],"reply":["10.244.1.5",8080,"10.244.1.9",4001],"status":430,"mark":0,"state":3,"wscaleOrig":7,"wscaleReply":9,"timeout":86400}]`
    expect(parseEntries(text)).to.deep.equal([{ ...throughService, sourceNat: false, destinationNat: true }])
  })

  it('refused conntrack lines; that a flow was there already is no more than a reason to try again', () => {
    const answer = '{"errors":[{"line":1,"errno":17},{"line":2,"errno":22}],"applied":0}'
    const lines = ['I tcp 1 dnat=- mark=0 wo=1 wr=1', 'I tcp 2']
    expect(refusedLines(answer, lines)).to.deep.equal([
      { message: `${lines[0]}: errno 17`, again: [lines[0]], plain: true },
      { message: 'I tcp 2: errno 22' },
    ])
  })

  it('a packet that made the entry before its translation was there: once more', () => {
    const lines = ['I tcp 0', 'D tcp a', 'D tcp b', 'I tcp a dnat=10.0.0.1:80 mark=0 wo=1 wr=1', 'I tcp c dnat=- mark=0 wo=1 wr=1']
    const answer = '{"errors":[{"line":4,"errno":17},{"line":5,"errno":17}],"applied":0}'
    expect(refusedLines(answer, lines)).to.deep.equal([
      { message: `${lines[3]}: errno 17`, again: lines.slice(1, 4) },
      { message: `${lines[4]}: errno 17`, again: [lines[4]], plain: true },
    ])
  })

  it('routes of /proc/net/route', () => {
    const routes = parseRouteTable(`Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT
eth0\t00000000\tFE001EAC\t0003\t0\t0\t0\t00000000\t0\t0\t0
cni0\t0001F40A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth0\t0502F40A\t02001EAC\t0007\t0\t0\t0\tFFFFFFFF\t0\t0\t0
*\t0701F40A\t00000000\t0205\t0\t0\t0\tFFFFFFFF\t0\t0\t0
`)
    expect(hostRoute(routes, '10.244.2.5')).to.include({ device: 'eth0', gateway: '172.30.0.2' })
    expect(hostRoute(routes, '10.244.1.7')).to.equal(undefined)
    expect(connectedDevices(routes, '10.244.1.200')).to.deep.equal(['cni0'])
    const devices = ['10.244.2.5', '10.244.1.200', '8.8.8.8'].map((address) => routeTo(routes, address)?.device)
    expect(devices).to.deep.equal(['eth0', 'cni0', 'eth0'])
    expect(connectedDevices(routes, '10.244.2.5')).to.deep.equal([])
  })

  it('routes of /proc/net/ipv6_route, without the kernel’s own addresses', () => {
    const line = (destination: string, bits: string, gateway: string, flags: string, device: string): string =>
      `${destination.padEnd(32, '0')} ${bits} ${'0'.repeat(32)} 00 ${gateway || '0'.repeat(32)} 00000400 00000001 00000000 ${flags} ${device.padStart(8)}`
    const nodeTwo = 'fd000030000000000000000000000002'
    const routes = parseIpv6RouteTable(
      [
        line('fd00024400000002', '40', nodeTwo, '00000003', 'eth0'),
        line('fd000244000000010000000000000005', '80', nodeTwo, '00000003', 'eth0'),
        line('fd00024400000001', '40', '', '00000001', 'cni0'),
        line('', '00', nodeTwo, '00000003', 'eth0'),
        line('', '00', '', '00200200', 'lo'),
        line('fd00024400000001', '80', '', '00300001', 'cni0'),
        line('fd000244000000010000000000000001', '80', '', '80200001', 'cni0'),
      ].join('\n'),
    )
    expect(routes).to.have.length(4)
    expect(hostRoute(routes, 'fd00:244:0:1::5')).to.include({ device: 'eth0', gateway: 'fd00:30::2' })
    expect(hostRoute(routes, 'fd00:244:0:1::1')).to.equal(undefined)
    expect(connectedDevices(routes, 'fd00:244:0:1::9')).to.deep.equal(['cni0'])
    expect(['fd00:244:0:2::7', 'fd00:244:0:1::9', '2001:db8::1'].map((address) => routeTo(routes, address)?.bits)).to.deep.equal([
      64, 64, 0,
    ])
    expect(routeTo(routes, '10.0.0.1')).to.equal(undefined)
  })

  it('our routes and proxy neighbours', () => {
    expect(parseRoutes('[{"dst":"10.244.1.5","gateway":"172.30.0.2","dev":"eth0"},{"dst":"10.0.0.0/8","dev":"x"}]')).to.deep.equal([
      { address: '10.244.1.5', gateway: '172.30.0.2', device: 'eth0' },
    ])
    const proxies = '[{"dst":"10.244.1.5","dev":"cni0","proxy":null,"protocol":"112"},{"dst":"10.244.1.6","dev":"cni0","proxy":null}]'
    expect(parseProxies(proxies)).to.deep.equal([{ address: '10.244.1.5', bridge: 'cni0' }])
  })
})
