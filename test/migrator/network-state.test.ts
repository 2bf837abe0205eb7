// Which pods live where, and away from home, before and after the commit of a move.
import type { V1Pod } from '@kubernetes/client-node'
import { expect } from 'chai'
import type { PodMigration } from '../../src/api/pod-migration.ts'
import { contains } from '../../src/migrator/ip-range.ts'
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
    expect(state).to.deep.equal({ nodeIp: '192.168.0.3', podCidrs: ['10.3.0.0/16'], movable: ['10.1.0.7'], moved: [] })
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

describe('address ranges', () => {
  const cases: [string, string, boolean][] = [
    ['10.1.0.0/16', '10.1.255.255', true],
    ['10.1.0.0/16', '10.2.0.0', false],
    ['0.0.0.0/0', '255.255.255.255', true],
    ['192.168.0.128/25', '192.168.0.127', false],
    ['192.168.0.1/32', '192.168.0.1', true],
    ['10.0.0.0/8', 'fd00::1', false],
    ['nonsense', '10.0.0.1', false],
    ['10.0.0.0/33', '10.0.0.1', false],
  ]
  for (const [range, address, inside] of cases)
    it(`${range} ${inside ? 'holds' : 'does not hold'} ${address}`, () => expect(contains(range, address)).to.equal(inside))
})
