// The way back of waiting packets: its texts. The kernel has its say in nodes.ts of this folder.
import { expect } from 'chai'
import { closeRuleSet, tablesIn } from '../../../src/agent/network/netdev-tables.ts'
import { giveRuleSet, takeRuleSet } from '../../../src/agent/network/way-back.ts'

describe('the way back of packets that waited', () => {
  it('leads out of the held veth to the source', () => {
    const rules = giveRuleSet({ ip: '10.244.1.7', heldVeth: 'veth1', gateway: '172.30.0.1', uplink: 'eth0' })
    expect(rules).to.include('hook egress device "veth1"')
    expect(rules).to.include('back ether daddr 02:00:00:00:00:00 ip daddr 10.244.1.7 fwd ip to 172.30.0.1 device "eth0"')
  })

  it('passes the stack of the source only under addresses that it would refuse', () => {
    const rules = takeRuleSet({ ip: '10.244.1.7', device: 'cni0', uplink: 'eth0' }).split('\n')
    expect(rules.filter((rule) => rule.includes('fwd'))).to.deep.equal([
      'add rule netdev podmotion_back_10_244_1_7 back ip daddr 10.244.1.7 fib saddr type local fwd ip to 10.244.1.7 device "cni0"',
      'add rule netdev podmotion_back_10_244_1_7 back ip daddr 10.244.1.7 fib saddr oifname != "eth0" fwd ip to 10.244.1.7 device "cni0"',
    ])
  })

  it('is the same for IPv6, in its own words', () => {
    const give = giveRuleSet({ ip: 'fd00:244::7', heldVeth: 'veth1', gateway: 'fd00:30::1', uplink: 'eth0' })
    expect(give).to.include(
      'podmotion_back_veth1_fd00_244__7 back ether daddr 02:00:00:00:00:00 ip6 daddr fd00:244::7 fwd ip6 to fd00:30::1 device "eth0"',
    )
    expect(takeRuleSet({ ip: 'fd00:244::7', device: 'cni0', uplink: 'eth0' })).to.include(
      'ip6 daddr fd00:244::7 fib saddr type local fwd ip6 to',
    )
  })

  it('is found again by name, and closed whether it is there or not', () => {
    const listed = {
      nftables: [{ metainfo: {} }, ...['podmotion_back_10_0_0_1', 'somebodys'].map((name) => ({ table: { family: 'netdev', name } }))],
    }
    expect(tablesIn(JSON.stringify(listed), 'podmotion_back_')).to.deep.equal(['podmotion_back_10_0_0_1'])
    expect(closeRuleSet(['podmotion_back_10_0_0_1'])).to.match(
      /^table netdev podmotion_back_10_0_0_1 \{\n\}\ndelete table netdev podmotion_back_10_0_0_1\n$/,
    )
  })
})
