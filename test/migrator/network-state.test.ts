// Which pods live where, and away from home, before and after the commit of a move.
import type { V1Pod } from '@kubernetes/client-node'
import { expect } from 'chai'
import type { PodMigration } from '../../src/api/pod-migration.ts'
import { networkStates } from '../../src/migrator/network-state.ts'
import { makeCapacity, makeMigration, makeNode, makePod, migrationUid } from './world.ts'

const destination = makePod({
  metadata: { name: 'cart-7-12345', uid: 'destination-uid', labels: { 'podmotion.io/migration-uid': migrationUid } },
  spec: { nodeName: 'nb' },
})

function states(pods: V1Pod[], status?: PodMigration['status']) {
  const migrations = status ? [{ ...makeMigration(), status }] : []
  const view = {
    nodes: [makeNode('na', 1), makeNode('nb', 2), makeNode('nc', 3)],
    capacities: [makeCapacity('na', 1), makeCapacity('nb', 2)],
  }
  return networkStates({ ...view, pods, migrations })
}

const moved = [{ ip: '10.1.0.7', nodeIp: '192.168.0.2', homeNodeIp: '192.168.0.1' }]

describe('network wish', () => {
  it('lists pods under our RuntimeClass, and nothing as moved that is at home', () => {
    const other = makePod({ metadata: { name: 'x', uid: 'x' }, spec: { runtimeClassName: undefined }, status: { podIP: '10.1.0.8' } })
    const ended = makePod({ metadata: { name: 'y', uid: 'y' }, status: { podIP: '10.1.0.9', phase: 'Succeeded' } })
    const state = states([makePod(), other, ended]).get('nc')
    expect(state).to.deep.equal({ nodeIps: ['192.168.0.3'], podCidrs: ['10.3.0.0/16'], movable: ['10.1.0.7'], moved: [] })
  })

  it('leaves an address with the source until the commit', () => {
    expect(states([makePod(), destination], { phase: 'Restoring', sourcePodUID: 'source-uid' }).get('nc')?.moved).to.deep.equal([])
  })

  it('gives it to the destination with the commit, on every node', () => {
    const committed = { phase: 'DisengageHold', sourcePodUID: 'source-uid', committedAt: '2026-01-01T00:00:00Z' } as const
    for (const state of states([makePod(), destination], committed).values()) expect(state.moved).to.deep.equal(moved)
  })

  it('ignores a destination pod whose move was rolled back', () => {
    expect(states([makePod(), destination], { phase: 'RolledBack', sourcePodUID: 'source-uid' }).get('na')?.moved).to.deep.equal([])
  })

  it('keeps a moved pod moved when its PodMigration is gone', () => {
    expect(states([destination]).get('na')?.moved).to.deep.equal(moved)
  })
})

describe('network wish where pods and nodes have two families', () => {
  const dual = (name: string, number: number) => {
    const node = makeNode(name, number)
    const addresses = [...(node.status?.addresses ?? []), { type: 'InternalIP', address: `fd00:30::${number}` }]
    const podCIDRs = [...(node.spec?.podCIDRs ?? [node.spec?.podCIDR ?? '']), `fd00:244:0:${number}::/64`]
    return { ...node, spec: { ...node.spec, podCIDRs }, status: { ...node.status, addresses } }
  }
  const podIPs = [{ ip: '10.1.0.7' }, { ip: 'fd00:244:0:1::7' }]
  const pod = makePod({ status: { podIP: '10.1.0.7', podIPs }, spec: { nodeName: 'nb' } })
  const state = (nodes: ReturnType<typeof makeNode>[], name: string) => {
    return networkStates({ nodes, capacities: [makeCapacity('na', 1), makeCapacity('nb', 2)], migrations: [], pods: [pod] }).get(name)
  }

  it('leads each address to the node by its own family', () => {
    const six = { ip: 'fd00:244:0:1::7', nodeIp: 'fd00:30::2', homeNodeIp: 'fd00:30::1' }
    const wish = state([dual('na', 1), dual('nb', 2)], 'na')
    expect(wish?.nodeIps).to.deep.equal(['192.168.0.1', 'fd00:30::1'])
    expect(wish?.movable).to.deep.equal(['10.1.0.7', 'fd00:244:0:1::7'])
    expect(wish?.moved).to.deep.equal([...moved, six])
  })

  it('leaves a family to the nodes that have it', () => {
    const wish = state([makeNode('na', 1), dual('nb', 2)], 'na')
    expect(wish).to.deep.include({ movable: ['10.1.0.7'], moved })
    expect(state([dual('na', 1), makeNode('nb', 2)], 'na')?.moved, 'nobody can say where it lives').to.deep.equal(moved)
  })
})
