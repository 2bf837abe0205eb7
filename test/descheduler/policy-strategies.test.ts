// A MigrationPolicy with every strategy: moves within its bounds, what cannot be moved live, hysteresis, cooldown of nodes.
import { expect } from 'chai'
import { type CycleInput, planCycle } from '../../src/descheduler/cycle.ts'
import { at, capacity, migration, node, nowMs, pod } from '../extender/cluster.ts'
import { policy } from './policy.ts'

const nodes = ['a', 'b', 'c'].map((name) => node(name))
const low = (thresholds: object = { cpu: 40 }, targetThresholds: object = { cpu: 70 }, more: object = {}) => ({
  strategies: [{ name: 'LowNodeUtilization', lowNodeUtilization: { thresholds, targetThresholds, ...more } }],
})
const duplicates = { strategies: [{ name: 'RemoveDuplicates' }] }
const three = [1, 2, 3].map((number) => pod(`shop/p${number}`, { on: 'a', owner: 'web', cpu: '100m', memory: `${number}Gi` }))

function cycle(spec: object, overrides: Partial<CycleInput> = {}) {
  const own = policy('p', spec)
  return planCycle({
    policy: own,
    policies: [own],
    nodes,
    capacities: nodes.map(({ metadata }) => capacity(metadata?.name ?? '')),
    pods: three,
    migrations: [],
    namespaceLabels: new Map(),
    refusalsOf: () => [],
    nowMs,
    ...overrides,
  })
}

const moves = (spec: object, overrides: Partial<CycleInput> = {}) =>
  cycle(spec, overrides)
    .moves.map(({ podName, toNode }) => `${podName}->${toNode || 'evicted'}`)
    .join(' ')

const done = (uid: string, newUid: string, from: string, to: string, agoMs: number, phase = 'Complete') =>
  migration(`shop/m-${newUid || uid}`, uid, {
    status: { phase, completedAt: at(-agoMs), sourcePodUID: uid, destinationPodUID: newUid, sourceNode: from, destinationNode: to },
  })

describe('a MigrationPolicy', () => {
  it('moves what any strategy chooses, each somewhere else', () => {
    expect(moves(duplicates)).to.equal('p2->b p3->c')
    expect(cycle(duplicates).result).to.equal('RemoveDuplicates: 2 pods chosen: 2 moves')
    expect(cycle(duplicates).moves[0]).to.include({
      strategy: 'RemoveDuplicates',
      reason: 'ReplicaSet web has 3 pods on a, an even share is 1',
    })
  })

  it('moves the cheapest first when the budget is small', () => {
    const pods = [3, 2, 1].map((size, number) => pod(`shop/p${number}`, { on: 'a', owner: 'web', memory: `${size}Gi` }))
    expect(moves({ ...duplicates, budgets: { outboundPerNode: 1 } }, { pods })).to.equal('p2->b')
    expect(cycle({ ...duplicates, budgets: { outboundPerNode: 1 } }, { pods }).result).to.contain('1 left: budget outboundPerNode')
  })

  it('an earlier strategy leaves the later ones what it did not take', () => {
    const taint = { strategies: [{ name: 'RemovePodsViolatingNodeTaints' }, ...duplicates.strategies] }
    const tainted = [node('a', { taints: [{ key: 'k', effect: 'NoSchedule' }] }), ...nodes.slice(1)]
    const bounds = { budgets: { outboundPerNode: 9, inboundPerNode: 9 } }
    const names = moves({ ...taint, ...bounds }, { nodes: tainted })
    expect(names.split(' ')).to.have.length(3)
    expect(new Set(names.split(' ').map((name) => name.slice(0, 2))).size).to.equal(3)
  })

  it('says what is wrong with arguments, and runs the others', () => {
    const { result } = cycle({ strategies: [{ name: 'PodLifeTime' }, ...duplicates.strategies] })
    expect(result).to.match(
      /^PodLifeTime: the arguments are wrong: podLifeTime: expected at least one of .* got none\. RemoveDuplicates: 2 pods chosen/,
    )
  })

  it('leaves pods that it is told to protect', () => {
    expect(moves({ ...duplicates, evictor: { minReplicas: 4 } })).to.equal('')
    expect(moves({ ...low(), evictor: { priorityThreshold: { value: 5 } } }, { pods: heavy(9) })).to.equal('')
    expect(moves({ ...low(), evictor: { priorityThreshold: { value: 10 } } }, { pods: heavy(9) })).to.equal('heavy->b')
    expect(cycle({ ...duplicates, evictor: { priorityThreshold: { name: 'gone' } } }).result).to.contain(
      'evictor.priorityThreshold.name: expected the name',
    )
  })

  describe('pods that cannot be moved live', () => {
    const refusalsOf: CycleInput['refusalsOf'] = (one) => (one.metadata?.name === 'p3' ? [{ code: 'X', message: 'x' }] : [])
    const foreign = [...three.slice(0, 2), pod('shop/p3', { on: 'a', owner: 'web', runtimeClassName: undefined })]

    it('stay', () => {
      expect(moves(duplicates, { refusalsOf })).to.equal('p2->b')
      expect(moves(duplicates, { pods: foreign })).to.equal('p2->b')
    })

    it('are evicted where the policy says so', () => {
      expect(moves({ ...duplicates, onUnmovable: 'Evict' }, { refusalsOf })).to.equal('p2->b p3->evicted')
      expect(moves({ ...duplicates, onUnmovable: 'Evict' }, { pods: foreign })).to.equal('p3->evicted p2->b')
    })

    it('and then keep the default protections', () => {
      const local = foreign.map((one) => ({ ...one, spec: { containers: [], ...one.spec, volumes: [{ name: 'v', emptyDir: {} }] } }))
      expect(moves({ ...duplicates, onUnmovable: 'Evict' }, { pods: local })).to.equal('p2->b')
    })
  })

  /** 75 % of node a, of which only `heavy` can go. */
  function heavy(priority = 0) {
    const one = pod('shop/heavy', { on: 'a', cpu: '2500m', owner: 'web' })
    if (one.spec) one.spec.priority = priority
    return [one, pod('shop/fixed', { on: 'a', cpu: '500m', runtimeClassName: undefined })]
  }

  it('does not bring a pod back to where it came from', () => {
    const migrations = [done('old', 'uid-heavy', 'b', 'a', 20 * 60_000)]
    expect(moves(low(), { pods: heavy(), migrations })).to.equal('heavy->c')
  })

  it('moves no pod more often in an hour than it may', () => {
    const migrations = [done('u0', 'u1', 'b', 'c', 50 * 60_000), done('u1', 'uid-heavy', 'c', 'a', 20 * 60_000)]
    expect(cycle(low(), { pods: heavy(), migrations }).moves).to.deep.equal([])
    expect(
      moves(
        { ...low(), maxMovesPerPodPerHour: 3 },
        { pods: heavy(), migrations, nodes: [...nodes, node('d')], capacities: ['a', 'b', 'c', 'd'].map((name) => capacity(name)) },
      ),
    ).to.equal('heavy->d')
  })

  it('tries another node after a failure', () => {
    const migrations = [done('uid-heavy', '', 'a', 'b', 60_000, 'RolledBack')]
    expect(moves({ ...low(), cooldownSeconds: 0 }, { pods: heavy(), migrations })).to.equal('heavy->c')
  })

  it('leaves nodes alone that are only a little over their target', () => {
    expect(moves({ ...low(), hysteresisPercentPoints: 6 }, { pods: heavy() })).to.equal('')
    expect(moves({ ...low(), hysteresisPercentPoints: 4 }, { pods: heavy() })).to.equal('heavy->b')
  })

  it('nodes rest as well: who took gives none, who gave takes none', () => {
    const took = [done('x', 'y', 'c', 'a', 60_000)]
    const gave = [done('x', 'y', 'b', 'c', 60_000)]
    expect(moves({ ...low(), nodeCooldownSeconds: 300 }, { pods: heavy(), migrations: took })).to.equal('')
    expect(moves({ ...low(), nodeCooldownSeconds: 300 }, { pods: heavy(), migrations: gave })).to.equal('heavy->c')
    expect(moves({ ...low(), nodeCooldownSeconds: 30 }, { pods: heavy(), migrations: took })).to.equal('heavy->b')
  })

  it('goes by real usage where it is told to', () => {
    const real = low({ cpu: 40 }, { cpu: 70 }, { metricsUtilization: { source: 'KubernetesMetrics' } })
    const usage = (cpu: string) => ({ cpu, memory: '1Gi' })
    const facts = {
      nodeMetrics: [
        ['a', '3500m'],
        ['b', '500m'],
        ['c', '2'],
      ].map(([name, cpu]) => ({ metadata: { name: name ?? '' }, usage: usage(cpu ?? '') })),
      podMetrics: [1, 2, 3].map((number) => ({
        metadata: { namespace: 'shop', name: `p${number}` },
        containers: [{ name: 'app', usage: usage(`${number * 500}m`) }],
      })),
    }
    // 87.5 % used, 17.5 points too many: p1 takes 12.5 of them for 1 GiB, and the rest costs less with p2 than with p3.
    expect(moves(real, { facts })).to.equal('p1->b p2->b')
    expect(cycle(real).result).to.equal('LowNodeUtilization: metrics.k8s.io says nothing of the nodes')
  })

  it('empties nodes that can be spared', () => {
    const high = { strategies: [{ name: 'HighNodeUtilization', highNodeUtilization: { thresholds: { cpu: 20 } } }] }
    const pods = [
      pod('shop/big', { on: 'b', cpu: '2' }),
      pod('shop/one', { on: 'a', cpu: '200m' }),
      pod('shop/two', { on: 'a', cpu: '100m' }),
    ]
    expect(moves(high, { pods }).split(' ').sort().join(' ')).to.equal('one->b two->b')
  })
})
