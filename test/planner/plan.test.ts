// Plans are executable move by move, on generated clusters of every kind, and reach their goal.
import { expect } from 'chai'
import fc from 'fast-check'
import type { Goal } from '../../src/planner/input.ts'
import { type ClusterPlan, planCluster } from '../../src/planner/plan.ts'
import { node, pod } from '../extender/cluster.ts'
import { defectsOf } from './checker.ts'
import { generatedCluster } from './generated-cluster.ts'

const never = () => false

function planned(
  input: Parameters<typeof planCluster>[0],
  goal: Goal,
  more: { mostMoves?: number; patienceRounds?: number } = {},
): ClusterPlan {
  return planCluster(input, { goal, isOver: never, patienceRounds: 20, ...more })
}

const wishes = fc.record({
  seed: fc.integer({ min: 1, max: 1e6 }),
  nodeCount: fc.integer({ min: 2, max: 12 }),
  podCount: fc.integer({ min: 1, max: 90 }),
  usualFill: fc.double({ min: 0.2, max: 0.95, noNaN: true }),
  rulesPart: fc.double({ min: 0, max: 1, noNaN: true }),
})

describe('plan', function () {
  this.timeout(20_000)

  for (const kind of ['balance', 'consolidate', 'evacuate'] as const)
    it(`${kind}: every move is feasible when it runs`, function () {
      this.timeout(120_000)
      fc.assert(
        fc.property(wishes, (wish) => {
          const input = generatedCluster(wish)
          const goal: Goal = kind === 'evacuate' ? { kind, nodeNames: ['node-0000'] } : { kind }
          const plan = planned(input, goal)
          expect(defectsOf(input, plan)).to.deep.equal([])
          if (kind === 'balance') expect(plan.imbalance.after).to.be.at.most(plan.imbalance.before)
          if (kind === 'consolidate') expect(plan.nodesInUse.after).to.be.at.most(plan.nodesInUse.before)
        }),
        { numRuns: 60 },
      )
    })

  it('the same seed gives the same plan, in whatever order the objects come', () => {
    const input = generatedCluster({ seed: 4, nodeCount: 8, podCount: 50 })
    const again = { ...input, nodes: [...input.nodes].reverse() }
    expect(planned(again, { kind: 'balance' })).to.deep.equal(planned(input, { kind: 'balance' }))
  })

  it('takes a full node down to the others, with few moves', () => {
    const nodes = ['a', 'b', 'c'].map((name) => node(name, { cpu: '10', memory: '40Gi' }))
    const pods = Array.from({ length: 9 }, (_none, number) => pod(`shop/p-${number}`, { on: 'a', cpu: '1', memory: '4Gi' }))
    const { imbalance, moves } = planned({ nodes, pods }, { kind: 'balance' })
    expect(moves).to.have.length(6)
    expect(imbalance).to.deep.include({ after: 0 })
    expect(imbalance.before).to.be.closeTo(42.43, 0.01)
    expect(imbalance.byResource.cpu).to.deep.equal({ before: imbalance.before, after: 0 })
  })

  it('breaks a cycle through a third node', () => {
    // Two full nodes, each with the large pod that selects the other's disk; only the third has room to step aside.
    const nodes = [
      node('a', { cpu: '4', labels: { disk: 'hdd' }, cordoned: false }),
      node('b', { cpu: '4', labels: { disk: 'ssd' } }),
      node('c', { cpu: '4' }),
    ]
    const labelSelector = { matchLabels: { app: 'x' } }
    const apart = {
      podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'kubernetes.io/hostname', labelSelector }] },
    }
    const pods = [
      pod('shop/one', { on: 'a', cpu: '3', memory: '1Gi', spec: { affinity: apart }, labels: { app: 'x' } }),
      pod('shop/two', { on: 'b', cpu: '3', memory: '1Gi' }),
    ]
    const plan = planned({ nodes, pods }, { kind: 'evacuate', nodeNames: ['a'] })
    expect(plan.stuck).to.deep.equal([])
    expect(plan.moves.map(({ podName, toNode }) => `${podName} ${toNode}`)).to.deep.equal(['one c'])
  })

  it('evacuates a node whose pod fits only where another makes room', () => {
    const nodes = [node('a', { cpu: '4' }), node('b', { cpu: '4', labels: { disk: 'ssd' } }), node('c', { cpu: '2' })]
    const pods = [
      pod('shop/large', { on: 'a', cpu: '3', spec: { nodeSelector: { disk: 'ssd' } } }),
      pod('shop/small', { on: 'b', cpu: '2' }),
    ]
    const plan = planned({ nodes, pods }, { kind: 'evacuate', nodeNames: ['a'] })
    expect(plan.moves.map(({ podName, toNode }) => `${podName} ${toNode}`)).to.deep.equal(['small c', 'large b'])
    expect(plan.stuck).to.deep.equal([])
  })

  it('says who stays on an evacuated node, and why', () => {
    const nodes = [node('a'), node('b', { cpu: '1' })]
    const pods = [pod('shop/large', { on: 'a', cpu: '3' }), pod('shop/held', { on: 'a', annotations: { 'podmotion.io/migrate': 'false' } })]
    const { stuck, moves } = planned({ nodes, pods }, { kind: 'evacuate', nodeNames: ['a'] })
    expect(moves).to.deep.equal([])
    expect(stuck).to.deep.equal([
      {
        namespace: 'shop',
        podName: 'large',
        nodeName: 'a',
        reason: 'of 1 nodes that take pods its own rules allow 1, of which 0 have room for it',
      },
      { namespace: 'shop', podName: 'held', nodeName: 'a', reason: 'annotation podmotion.io/migrate is "false"' },
    ])
  })

  it('empties the nodes that are least used, and none that has a pod which stays', () => {
    const nodes = ['a', 'b', 'c', 'd'].map((name) => node(name))
    const pods = [
      pod('shop/a1', { on: 'a', cpu: '1' }),
      pod('shop/b1', { on: 'b', cpu: '1' }),
      pod('shop/c1', { on: 'c', cpu: '2' }),
      pod('shop/d1', { on: 'd', cpu: '100m', spec: { hostNetwork: true } }),
    ]
    const { nodesInUse, moves } = planned({ nodes, pods }, { kind: 'consolidate' })
    expect(nodesInUse).to.deep.equal({ before: 4, after: 2 })
    expect(moves.map(({ fromNode }) => fromNode)).to.have.members(['a', 'b'])
  })

  it('keeps to the limit of moves', () => {
    const input = generatedCluster({ seed: 9, nodeCount: 10, podCount: 80, rulesPart: 0 })
    expect(planned(input, { kind: 'balance' }, { mostMoves: 3 }).moves).to.have.length(3)
    expect(planned(input, { kind: 'balance' }, { mostMoves: 0 }).moves).to.deep.equal([])
  })

  it('counts extended resources and measured usage', () => {
    const nodes = ['a', 'b'].map((name) => node(name))
    for (const one of nodes) Object.assign(one.status?.allocatable ?? {}, { 'example.com/gpu': '4' })
    const pods = [1, 2].map((number) => pod(`shop/p-${number}`, { on: 'a', cpu: '1' }))
    for (const one of pods) Object.assign(one.spec?.containers[0]?.resources?.requests ?? {}, { 'example.com/gpu': '2' })
    expect(planned({ nodes, pods }, { kind: 'balance' }).imbalance.byResource).to.have.property('example.com/gpu')
    const podMetrics = pods.map(({ metadata = {} }, position) => ({
      metadata,
      containers: [{ name: 'app', usage: { cpu: position ? '3' : '1' } }],
    }))
    const measured = planned({ nodes, pods, podMetrics }, { kind: 'balance' })
    expect(measured.loadSource).to.equal('usage')
    expect(measured.imbalance.fullestNode.cpu?.before).to.equal(100)
  })
})
