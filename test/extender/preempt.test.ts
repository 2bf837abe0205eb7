// Preemption: pods that a live migration moves are spared, and nodes whose victims can be moved live are preferred.
import { expect } from 'chai'
import { ExtenderPreemptionArguments } from '../../src/api/extender-wire.ts'
import { type ClusterView, indexOf } from '../../src/extender/cluster-index.ts'
import { preemptOn, victimsOf } from '../../src/extender/preempt.ts'
import { capacity, node, pod, reserving } from './cluster.ts'

const urgent = (cpu: string) => pod('shop/urgent', { cpu, runtimeClassName: undefined, phase: 'Pending' })
const ofOthers = { runtimeClassName: undefined }

function preempt(view: Partial<ClusterView>, cpu: string, victims: Record<string, string[]>, budgets: Record<string, number> = {}) {
  const index = indexOf({ nodes: [node('a'), node('b')], pods: [], capacities: [capacity('a'), capacity('b')], migrations: [], ...view })
  const NodeNameToMetaVictims = Object.fromEntries(
    Object.entries(victims).map(([name, uids]) => [name, { Pods: uids.map((UID) => ({ UID })), NumPDBViolations: budgets[name] ?? 0 }]),
  )
  const asked = ExtenderPreemptionArguments.parse({ Pod: {}, NodeNameToVictims: null, NodeNameToMetaVictims })
  return preemptOn(index, urgent(cpu), victimsOf(asked)).NodeNameToMetaVictims
}

describe('preempt', () => {
  it('leaves victims alone where nothing moves', () => {
    const pods = [pod('shop/x', { on: 'a', cpu: '3', ...ofOthers })]
    expect(preempt({ pods }, '2', { a: ['uid-x'] })).to.deep.equal({ a: { Pods: [{ UID: 'uid-x' }], NumPDBViolations: 0 } })
  })

  it('spares a pod that is being moved off the node: the node goes when the room is missing then', () => {
    const pods = [pod('shop/cart', { on: 'a', cpu: '3' }), pod('shop/x', { on: 'a', cpu: '1', ...ofOthers })]
    const migrations = [reserving('shop/m', 'cart', 'b', 3000)]
    expect(preempt({ pods, migrations }, '2', { a: ['uid-cart', 'uid-x'] })).to.deep.equal({})
    expect(preempt({ pods, migrations }, '1', { a: ['uid-cart', 'uid-x'] })).to.deep.equal({
      a: { Pods: [{ UID: 'uid-x' }], NumPDBViolations: 0 },
    })
  })

  it('spares a pod that has just arrived', () => {
    const arrived = pod('shop/cart-2', { on: 'b', cpu: '3', annotations: { 'podmotion.io/migration-name': 'shop/m' } })
    const migrations = [reserving('shop/m', 'cart', 'b', 3000)]
    expect(preempt({ pods: [arrived], migrations }, '2', { b: ['uid-cart-2'] })).to.deep.equal({})
  })

  it('does not give reserved room away', () => {
    const pods = [pod('shop/x', { on: 'b', cpu: '2', ...ofOthers })]
    const migrations = [reserving('shop/m', 'cart', 'b', 2000)]
    expect(preempt({ pods, migrations }, '3', { b: ['uid-x'] })).to.deep.equal({})
    expect(Object.keys(preempt({ pods, migrations }, '2', { b: ['uid-x'] }))).to.deep.equal(['b'])
  })

  it('prefers nodes whose victims can be moved live, but not over broken budgets', () => {
    const pods = [pod('shop/x', { on: 'a', cpu: '3', ...ofOthers }), pod('shop/cart', { on: 'b', cpu: '3' })]
    const victims = { a: ['uid-x'], b: ['uid-cart'] }
    expect(Object.keys(preempt({ pods }, '2', victims))).to.deep.equal(['b'])
    expect(Object.keys(preempt({ pods }, '2', victims, { b: 1 }))).to.deep.equal(['a', 'b'])
    expect(Object.keys(preempt({ pods, capacities: [] }, '2', victims))).to.deep.equal(['a', 'b'])
  })

  it('leaves nodes that it does not know as they are', () => {
    expect(Object.keys(preempt({}, '2', { c: ['uid-x'] }))).to.deep.equal(['c'])
  })

  it('reads whole pods as well, and nulls', () => {
    const asked = ExtenderPreemptionArguments.parse({
      Pod: urgent('1'),
      NodeNameToVictims: { a: { Pods: [pod('shop/x')], NumPDBViolations: 2 }, b: { Pods: null } },
      NodeNameToMetaVictims: null,
    })
    expect(Object.fromEntries(victimsOf(asked))).to.deep.equal({
      a: { Pods: [{ UID: 'uid-x' }], NumPDBViolations: 2 },
      b: { Pods: [], NumPDBViolations: 0 },
    })
  })
})
