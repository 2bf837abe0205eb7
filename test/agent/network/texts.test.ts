// The texts for ip and nft, of one family and of both.
import { expect } from 'chai'
import { translatedForms } from '../../../src/agent/network/flow-legs.ts'
import {
  divertBatch,
  forgetNeighbours,
  holdBatch,
  leaveBridgeBatch,
  releaseBatch,
  restoreBatch,
} from '../../../src/agent/network/ip-batches.ts'
import { planLegs } from '../../../src/agent/network/leg-plan.ts'
import { ruleOf } from '../../../src/agent/network/relay-marks.ts'
import { armRuleSet, disarmRuleSet, nodeRuleSet } from '../../../src/agent/network/rule-sets.ts'
import type { Leg } from '../../../src/agent/rooms.ts'
import { entry, hairpin, masqueraded, nodeIp, ownService, pod, survey, tuple } from './flow-samples.ts'

describe('the texts for ip and nft', () => {
  it('hold: the queue first, then what leads to it', () => {
    expect(forgetNeighbours({ ips: [pod], hostVeth: 'veth1', podMac: '02:00:00:00:00:01' })).to.equal(
      'neigh replace 10.244.1.5 lladdr 02:00:00:00:00:01 dev veth1 nud stale\nneigh del 10.244.1.5 dev veth1\n',
    )
    expect(holdBatch({ ips: [pod], hostVeth: 'veth1', standIns: [nodeIp] })).to.equal(
      'route replace 10.244.1.5/32 dev veth1 proto 112 src 172.30.0.1\n',
    )
  })

  it('divert: a point-to-point pod needs the route alone, a bridged one leaves the bridge after it', () => {
    const way = { addresses: [{ ip: pod, way: { gateway: '172.30.0.2' } }] }
    expect(divertBatch({ ...way, veth: { name: 'v', mac: 'm' } })).to.equal(
      'addr replace 169.254.112.1/32 dev v\nroute replace 10.244.1.5/32 via 172.30.0.2 proto 112\n',
    )
    const home = { addresses: way.addresses.map((one) => ({ ...one, homeBridge: 'cni0' })) }
    expect(
      divertBatch({ ...home, veth: { name: 'v', mac: 'm', bridge: 'cni0' } })
        .trim()
        .split('\n'),
    ).to.deep.equal([
      'addr replace 169.254.112.1/32 dev v',
      'route replace 10.244.1.5/32 via 172.30.0.2 proto 112',
      'neigh replace proxy 10.244.1.5 dev cni0 protocol 112',
    ])
    expect(leaveBridgeBatch('v', 'cni0', 'b').trim().split('\n')).to.deep.equal([
      'link set dev cni0 address b',
      'link set dev v address b',
      'link set dev v nomaster',
    ])
  })

  it('restore: back on the bridge before the route goes; the former route where there was one', () => {
    const veth = { name: 'v', mac: 'm', bridge: 'cni0' }
    expect(
      restoreBatch({ addresses: [{ ip: pod, routed: true }], standIns: [nodeIp], veth })
        .trim()
        .split('\n'),
    ).to.deep.equal(['link set dev v master cni0', 'link set dev v address m', 'route del 10.244.1.5/32'])
    const hairpin = restoreBatch({
      addresses: [{ ip: pod, routed: true }],
      standIns: [nodeIp],
      veth: { ...veth, port: { hairpin: true, isolated: false } },
    })
    expect(hairpin).to.contain('master cni0\nlink set dev v type bridge_slave hairpin on isolated off\n')
    expect(restoreBatch({ addresses: [{ ip: pod, routed: true, previous: { device: 'v' } }], standIns: [nodeIp] })).to.equal(
      'route replace 10.244.1.5/32 dev v proto 112 src 172.30.0.1\n',
    )
    expect(restoreBatch({ addresses: [{ ip: pod, routed: false }], standIns: [nodeIp] })).to.equal('')
  })

  it('the rule set names each movable pod once, and none when there is none', () => {
    const text = nodeRuleSet(['172.30.0.1'], ['10.0.0.2', '10.0.0.1', '10.0.0.2'], ['eth0'])
    expect(text).to.contain('movable { 10.0.0.1, 10.0.0.2 }').and.to.contain('itself { 10.0.0.1 . 10.0.0.1, 10.0.0.2 . 10.0.0.2 }')
    expect(nodeRuleSet(['172.30.0.1'], [], [])).to.not.contain('add element')
  })
})

describe('the texts for a pod with an address of each family', () => {
  const pod6 = 'fd00:244:0:1::5'
  const ips = [pod, pod6]
  const standIns = [nodeIp, 'fd00:30::1']

  it('hold and release both', () => {
    expect(forgetNeighbours({ ips, hostVeth: 'veth1', podMac: 'm' })).to.contain(`neigh del ${pod6} dev veth1\n`)
    expect(holdBatch({ ips, hostVeth: 'veth1', standIns })).to.contain(`route replace ${pod6}/128 dev veth1 proto 112 src fd00:30::1\n`)
    expect(releaseBatch(ips, 'veth1', 'm').trim().split('\n')).to.deep.equal(
      ips.map((ip) => `neigh replace ${ip} lladdr m dev veth1 nud permanent`),
    )
  })

  it('divert and restore both, and the veth once', () => {
    const addresses = [
      { ip: pod, way: { gateway: '172.30.0.2' }, homeBridge: 'cni0' },
      { ip: pod6, way: { gateway: 'fd00:30::2' }, homeBridge: 'cni0' },
    ]
    const veth = { name: 'v', mac: 'm', bridge: 'cni0' }
    const lines = divertBatch({ addresses, veth }).split('\n')
    expect(lines).to.include.members([
      'route replace fd00:244:0:1::5/128 via fd00:30::2 proto 112',
      `neigh replace proxy ${pod6} dev cni0 protocol 112`,
    ])
    expect(lines.filter((line) => line.includes('addr replace'))).to.have.length(1)
    expect(divertBatch({ addresses: addresses.slice(1), veth })).to.not.contain('169.254')
    const restored = restoreBatch({ addresses: ips.map((ip) => ({ ip, routed: true })), standIns, veth, heldVeth: 'h' })
    expect(restored.trim().split('\n').slice(-3)).to.deep.equal([`route del ${pod}/32`, `route del ${pod6}/128`, 'link set dev h down'])
  })

  it('a rollback on the destination leads the addresses back first, then gives back what waits, then forgets the rest', () => {
    const addresses = ips.map((ip) => ({ ip, routed: true, previous: { gateway: '172.30.0.2', device: 'eth0' } }))
    const restored = restoreBatch({ addresses, standIns, heldVeth: 'h', givenBack: [pod] })
    expect(
      restored
        .trim()
        .split('\n')
        .map((line) => line.split(' ').slice(0, 4).join(' ')),
    ).to.deep.equal([`route replace ${pod}/32 via`, `route replace ${pod6}/128 via`, `neigh replace ${pod} lladdr`, 'link set dev h'])
  })

  it('a table for each family that the node has, each with what is of its family', () => {
    const text = nodeRuleSet(standIns, ips, ['eth0', 'tun0'])
    expect(text).to.contain(`add element ip podmotion movable { ${pod} }`).and.to.contain(`add element ip6 podmotion movable { ${pod6} }`)
    expect(text).to.contain(`ct status dnat ip6 saddr . ip6 daddr @itself snat to fd00:30::1 fully-random`)
    expect(text.match(/nd-redirect drop/g)).to.have.length(1)
    expect(text).to.contain('add element ip podmotion outer { "eth0", "tun0" }').and.to.contain('add element ip6 podmotion outer {')
    expect(nodeRuleSet([nodeIp], ips, [])).to.equal(nodeRuleSet([nodeIp], [pod], []))
    const armed = armRuleSet({ standIns, ips, knownPorts: [80], untracked: [{ protocol: 'tcp', tuple: tuple('fd00:96::9', 1, pod6, 2) }] })
    expect(armed)
      .to.contain(`ip6 podmotion known { ${pod6} . 80 }`)
      .and.to.contain(`ip6 podmotion untracked { fd00:96::9 . tcp . 1 . ${pod6} . 2 }`)
  })

  it('flows of both, each through the node’s address of its family', () => {
    const nodeIps = [nodeIp, 'fd00:30::1']
    const outside6 = entry(tuple(pod6, 5002, '2001:db8::10', 443), tuple('2001:db8::10', 443, 'fd00:30::1', 5002))
    const service6 = entry(tuple(pod6, 5001, 'fd00:96::9', 80), tuple('fd00:244:0:2::2', 8080, pod6, 5001))
    const { legs } = survey({ ips, nodeIps, entries: [masqueraded, outside6, service6] })
    expect(legs.map(({ relayThrough }) => relayThrough)).to.deep.equal([nodeIp, 'fd00:30::1', undefined])
    expect(planLegs(ips, legs.slice(2), [], () => 0).lines.at(-1)).to.equal(
      `I tcp ${pod6} 5001 fd00:96::9 80 snat=- dnat=[fd00:244:0:2::2]:8080 mark=0 wo=7 wr=9`,
    )
  })
})

describe('the texts of relayed and translated flows', () => {
  const [service] = survey({ entries: [ownService] }).legs as [Leg]
  const [itself] = survey({ entries: [hairpin] }).legs as [Leg]

  it('the two forms in which the other node sends them', () => {
    expect(translatedForms(service).map((one) => Object.values(one).join(' '))).to.deep.equal([
      '10.244.1.5 5001 10.244.2.2 5432',
      '10.96.0.9 5432 10.244.1.5 5001',
    ])
    expect(translatedForms(itself).map((one) => Object.values(one).join(' '))).to.deep.equal([
      '10.244.1.1 7777 10.244.1.5 8080',
      '10.96.0.5 80 10.244.1.5 5003',
    ])
  })

  it('armed and disarmed', () => {
    const flows = [{ protocol: 'tcp' as const, tuple: tuple('10.96.0.9', 5432, pod, 5001) }]
    const armed = { standIns: ['172.30.0.1'], ips: [pod], knownPorts: [80], untracked: flows }
    expect(armRuleSet(armed)).to.contain('untracked { 10.96.0.9 . tcp . 5432 . 10.244.1.5 . 5001 }')
    expect(armRuleSet({ ...armed, untracked: [] }))
      .to.contain('known { 10.244.1.5 . 80 }')
      .and.not.contain('podmotion untracked {')
    expect(disarmRuleSet(armed)).to.not.contain('timeout 15s')
    expect(disarmRuleSet(armed, 15)).to.contain('. 5001 timeout 15s }')
  })

  it('the rule that leads through another node', () => {
    expect(ruleOf(3)).to.equal('pref 90 fwmark 0x07000003/0xff0000ff lookup 28675')
  })
})
