// The order of moves: what waits for room comes after what makes it, cycles go over a third node, and what cannot be reached is left out.
import { expect } from 'chai'
import { buildModel } from '../../src/planner/build-model.ts'
import { evenShares } from '../../src/planner/imbalance.ts'
import { orderMoves } from '../../src/planner/order.ts'
import { Placement } from '../../src/planner/placement.ts'
import { node, pod } from '../extender/cluster.ts'

/** `places`: pod and CPU to where it is and where it should go. */
function ordered(nodes: Record<string, string>, pods: Record<string, [cpu: string, from: string, to: string]>) {
  const names = Object.keys(nodes).sort()
  const model = buildModel(
    {
      nodes: names.map((name) => node(name, { cpu: nodes[name] ?? '4' })),
      pods: Object.entries(pods).map(([name, [cpu, on]]) => pod(`shop/${name}`, { on, cpu })),
    },
    { kind: 'balance' },
  )
  const placement = new Placement(model)
  const target = Int32Array.from(model.pods, ({ name }) => names.indexOf(pods[name]?.[2] ?? ''))
  const { moves, isComplete } = orderMoves(placement, target, evenShares(placement))
  return {
    isComplete,
    moves: moves.map((move) => `${model.pods[move.pod]?.name} ${names[move.from]} ${names[move.to]}${move.isDetour ? ' detour' : ''}`),
  }
}

describe('order of moves', () => {
  it('makes room first', () => {
    const { moves, isComplete } = ordered({ a: '4', b: '4', c: '4' }, { big: ['3', 'a', 'b'], small: ['2', 'b', 'c'] })
    expect(moves).to.deep.equal(['small b c', 'big a b'])
    expect(isComplete).to.equal(true)
  })

  it('breaks a cycle over a third node', () => {
    const { moves, isComplete } = ordered({ a: '4', b: '4', c: '4' }, { one: ['3', 'a', 'b'], two: ['3', 'b', 'a'] })
    expect(moves).to.deep.equal(['one a c detour', 'two b a', 'one c b'])
    expect(isComplete).to.equal(true)
  })

  it('breaks a longer cycle with one detour', () => {
    const pods = { one: ['3', 'a', 'b'], two: ['3', 'b', 'c'], three: ['3', 'c', 'a'] } satisfies Record<string, [string, string, string]>
    const { moves, isComplete } = ordered({ a: '4', b: '4', c: '4', d: '3' }, pods)
    expect(moves).to.have.length(4)
    expect(moves.filter((move) => move.endsWith('detour'))).to.have.length(1)
    expect(isComplete).to.equal(true)
  })

  it('leaves out what no order can reach', () => {
    const pods = { one: ['3', 'a', 'b'], two: ['3', 'b', 'a'], free: ['1', 'a', 'c'] } satisfies Record<string, [string, string, string]>
    const { moves, isComplete } = ordered({ a: '4', b: '4', c: '2' }, pods)
    expect(moves).to.deep.equal(['free a c'])
    expect(isComplete).to.equal(false)
  })
})
