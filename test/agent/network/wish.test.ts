// What closes the gap between a node and the wish of the controller.
import { expect } from 'chai'
import type { Way } from '../../../src/agent/network/ways.ts'
import { planNetwork } from '../../../src/agent/network/wish.ts'
import { pod } from './flow-samples.ts'

describe('the wish of the controller', () => {
  const wish = (moved: { ip: string; nodeIp: string }[], owned: string[] = []) => ({
    state: { nodeIps: ['172.30.0.1'], podCidrs: [], movable: [pod], moved },
    owned: new Set(owned),
    homeBridgeOf: (address: string) => (address.startsWith('10.244.1.') ? 'cni0' : undefined),
    wayTo: (gateway: string): Way => ({ gateway }),
  })
  const away = { ip: pod, nodeIp: '172.30.0.2' }
  const empty = { routes: [], proxies: [] }
  const done = {
    routes: [{ address: pod, gateway: '172.30.0.2', device: 'eth0' }],
    proxies: [{ address: pod, bridge: 'cni0' }],
  }

  it('a pod that left home: route, ARP, lease', () => {
    const plan = planNetwork(wish([away]), empty)
    expect(plan.commands).to.deep.equal([
      'route replace 10.244.1.5/32 via 172.30.0.2 proto 112',
      'neigh replace proxy 10.244.1.5 dev cni0 protocol 112',
    ])
    expect(plan.announce).to.deep.equal([{ address: pod, bridge: 'cni0' }])
    expect(plan.keepLeases).to.deep.equal([pod])
  })

  it('nothing to do twice', () => {
    expect(planNetwork({ ...wish([away]), told: done.proxies }, done)).to.deep.include({ commands: [], announce: [] })
  })

  it('a route past the tunnel is put right', () => {
    const tunnelled = { ...wish([away]), wayTo: () => ({ gateway: '10.244.2.0', device: 'flannel.1' }) }
    const route = 'route replace 10.244.1.5/32 via 10.244.2.0 dev flannel.1 onlink proto 112'
    expect(planNetwork(tunnelled, done).commands).to.deep.equal([route])
    const beside = { ...done, routes: [{ address: pod, gateway: '10.244.2.0', device: 'eth0' }] }
    expect(planNetwork(tunnelled, beside).commands).to.deep.equal([route])
    const right = { ...done, routes: [{ address: pod, gateway: '10.244.2.0', device: 'flannel.1' }] }
    expect(planNetwork(tunnelled, right).commands).to.deep.equal([])
  })

  it('a pod that ended: all of it goes, its address is free', () => {
    const plan = planNetwork({ ...wish([]), state: { ...wish([]).state, movable: [] } }, done)
    expect(plan.commands).to.deep.equal(['route del 10.244.1.5/32 proto 112', 'neigh del proxy 10.244.1.5 dev cni0'])
    expect([...plan.wantedAddresses]).to.deep.equal([])
  })

  it('an open migration is left alone, and keeps its lease', () => {
    const plan = planNetwork(wish([], [pod]), done)
    expect(plan.commands).to.deep.equal([])
    expect(plan.wantedAddresses.has(pod)).to.equal(true)
    expect(planNetwork(wish([{ ip: pod, nodeIp: '172.30.0.3' }], [pod]), done).commands).to.deep.equal([])
  })

  it('a veth of this node outweighs an old wish, and at home the node still answers for the pod', () => {
    const here = { routes: [{ address: pod, device: 'veth1' }], proxies: [] }
    expect(planNetwork(wish([away]), here).commands).to.deep.equal(['neigh replace proxy 10.244.1.5 dev cni0 protocol 112'])
  })

  it('a pod that was born beside the bridge: its neighbours are told once, its lease stays its sandbox’s', () => {
    const born = { routes: [{ address: pod, device: 'veth1' }], proxies: [{ address: pod, bridge: 'cni0' }] }
    const first = planNetwork(wish([]), born)
    expect(first).to.deep.include({ commands: [], announce: born.proxies, proxies: born.proxies, keepLeases: [] })
    expect(first.wantedAddresses.has(pod)).to.equal(true)
    expect(planNetwork({ ...wish([]), told: first.proxies }, born).announce).to.deep.equal([])
    expect(planNetwork({ ...wish([]), told: first.proxies }, { ...born, routes: [] }).commands).to.deep.equal([
      'neigh del proxy 10.244.1.5 dev cni0',
    ])
  })

  it('a pod that lives here and whose home is elsewhere needs nothing', () => {
    const here = { routes: [{ address: '10.244.2.5', device: 'veth1' }], proxies: [] }
    expect(planNetwork(wish([{ ip: '10.244.2.5', nodeIp: '172.30.0.1' }]), here)).to.deep.include({ commands: [], keepLeases: [] })
  })
})
