// LowNodeUtilization and HighNodeUtilization of the stock descheduler: which nodes, and how many of their pods.
import { expect } from 'chai'
import { node } from '../../extender/cluster.ts'
import { type Cases, chosen, outcomeOf, pod } from '../stock/stock.ts'

const several = (on: string, count: number, wish: object = {}) =>
  Array.from({ length: count }, (_none, number) => pod(`shop/${on}${number}`, { on, cpu: '1', ...wish }))
const nodes = ['a', 'b', 'c'].map((name) => node(name, { cpu: '10', memory: '10Gi', pods: '10' }))
const metrics = (usage: Record<string, string>) =>
  Object.entries(usage).map(([name, cpu]) => ({ metadata: { name }, usage: { cpu, memory: '1Gi' } }))
const podMetrics = (names: string[], cpu: string) =>
  names.map((name) => ({ metadata: { name, namespace: 'shop' }, containers: [{ name: 'app', usage: { cpu, memory: '1Mi' } }] }))
const from20To50 = { thresholds: { cpu: 20 }, targetThresholds: { cpu: 50 } }

describe('LowNodeUtilization of the stock descheduler', () => {
  const real = { metricsUtilization: { source: 'KubernetesMetrics' } }
  const gpus = ['a', 'b'].map((name) => ({
    ...node(name, { cpu: '10' }),
    status: { allocatable: { cpu: '10', memory: '10Gi', pods: '10', 'x/gpu': '4' } },
  }))
  const withGpu = several('a', 3, { spec: { containers: [{ name: 'app', image: 'app:1', resources: { requests: { 'x/gpu': '1' } } }] } })
  const promise = (a: number, b: number) =>
    new Map([
      [
        'q',
        new Map([
          ['a', a],
          ['b', b],
          ['c', 0.4],
        ]),
      ],
    ])
  const byPrometheus = {
    thresholds: { MetricResource: 20 },
    targetThresholds: { MetricResource: 50 },
    metricsUtilization: { source: 'Prometheus', prometheus: { query: 'q' } },
  }
  const cases: Cases = [
    ['takes until the node is at its target', from20To50, { pods: several('a', 8) }, 'a0 a1 a2'],
    [
      'takes a node on the lower threshold for empty',
      from20To50,
      { pods: [...several('a', 6), ...several('b', 2), ...several('c', 3)] },
      'a0',
    ],
    ['leaves a node on its target', from20To50, { pods: several('a', 5) }, ''],
    ['does nothing when nobody is empty', from20To50, { pods: [...several('a', 8), ...several('b', 3), ...several('c', 3)] }, ''],
    ['does nothing when all are empty', from20To50, { pods: several('a', 1) }, ''],
    ['acts above numberOfNodes only', { ...from20To50, numberOfNodes: 2 }, { pods: several('a', 8) }, ''],
    ['a cordoned node is no place', from20To50, { nodes: [nodes[0], node('b', { cordoned: true })] as never, pods: several('a', 8) }, ''],
    [
      'stops when the others are full',
      { thresholds: { cpu: 20, pods: 20 }, targetThresholds: { cpu: 50, pods: 20 } },
      { pods: [...several('a', 8), ...several('b', 1), ...several('c', 2)] },
      'a0',
    ],
    [
      'counts cpu, memory and pods for room even without thresholds for them',
      from20To50,
      { pods: [...several('a', 8), ...several('b', 1, { memory: '10Gi' }), ...several('c', 1, { memory: '10Gi' })] },
      '',
    ],
    [
      'lower priority first, then quality of service',
      from20To50,
      { pods: [...several('a', 4, { priority: 5 }), pod('shop/low', { on: 'a', cpu: '4', priority: 1 })] },
      'low',
    ],
    [
      'those that would rather stay come last',
      from20To50,
      {
        pods: [
          pod('shop/a', { on: 'a', cpu: '3', annotations: { 'descheduler.alpha.kubernetes.io/prefer-no-eviction': '' } }),
          pod('shop/b', { on: 'a', cpu: '3' }),
        ],
      },
      'b',
    ],
    [
      'leaves excluded namespaces, and counts them',
      { ...from20To50, evictableNamespaces: { exclude: ['shop'] } },
      { pods: [...several('a', 5), pod('bank/x', { on: 'a', cpu: '2' })] },
      'x',
    ],
    ['at most so many a node', { ...from20To50, evictionLimits: { node: 1 } }, { pods: several('a', 8) }, 'a0'],
    [
      'by deviation from the average',
      { useDeviationThresholds: true, thresholds: { cpu: 5 }, targetThresholds: { cpu: 5 } },
      { pods: [...several('a', 6), ...several('b', 3), ...several('c', 3)] },
      'a0 a1',
    ],
    [
      'counts extended resources',
      { thresholds: { 'x/gpu': 20 }, targetThresholds: { 'x/gpu': 50 } },
      { nodes: gpus as never, pods: withGpu },
      'a0',
    ],
    [
      'needs a pod to tolerate a destination',
      from20To50,
      { nodes: [nodes[0], node('b', { cpu: '10', taints: [{ key: 'k', effect: 'PreferNoSchedule' }] })] as never, pods: several('a', 8) },
      '',
    ],
    [
      'by real usage',
      { ...from20To50, ...real },
      { pods: several('a', 3), nodeMetrics: metrics({ a: '7', b: '1', c: '1' }), podMetrics: podMetrics(['a0', 'a1', 'a2'], '1500m') },
      'a0 a1',
    ],
    [
      'leaves pods without real usage',
      { ...from20To50, ...real },
      { pods: several('a', 3), nodeMetrics: metrics({ a: '7', b: '1', c: '1' }), podMetrics: podMetrics(['a1'], '1') },
      'a1',
    ],
    [
      'one a node by Prometheus, which knows no pods',
      byPrometheus,
      { pods: [...several('a', 3), ...several('b', 3)], prometheus: promise(0.9, 0.1) },
      'a0',
    ],
    [
      'or as many as it is told',
      { ...byPrometheus, evictionLimits: { node: 2 } },
      { pods: several('a', 3), prometheus: promise(0.9, 0.1) },
      'a0 a1',
    ],
  ]
  for (const [what, args, world, expected] of cases)
    it(what, () => {
      expect(chosen('LowNodeUtilization', args, { nodes, ...world })).to.equal(expected)
    })

  it('orders nodes by plain sums, as the stock one does', () => {
    const pods = [...several('a', 6, { memory: '100Mi' }), ...several('b', 6, { memory: '200Mi' })]
    expect(chosen('LowNodeUtilization', from20To50, { nodes, pods })).to.equal('b0 a0')
  })

  it('says which nodes it wants pods on, and why', () => {
    const [victim] = outcomeOf('LowNodeUtilization', from20To50, { nodes, pods: several('a', 8) }).victims
    expect(victim?.destinations).to.deep.equal(['b', 'c'])
    expect(victim?.reason).to.equal('its node a is over its target: cpu 80 %, target cpu 50 %')
  })

  it('says why it cannot look', () => {
    const notes = (args: object, world: object) => outcomeOf('LowNodeUtilization', args, { nodes, pods: several('a', 8), ...world }).notes
    expect(notes({ ...from20To50, ...real }, { nodeMetrics: metrics({ a: '1', b: '1' }) })).to.deep.equal([
      'test/LowNodeUtilization did not run: metrics.k8s.io says nothing of node c',
    ])
    expect(notes(byPrometheus, {})).to.deep.equal(['test/LowNodeUtilization did not run: Prometheus did not answer'])
    expect(notes(byPrometheus, { prometheus: new Map([['*', new Map([['a', 1]])]]) })).to.deep.equal([
      'test/LowNodeUtilization did not run: the answer of Prometheus says nothing of node b',
    ])
  })
})

describe('HighNodeUtilization of the stock descheduler', () => {
  const under30 = { thresholds: { cpu: 30 } }
  const cases: Cases = [
    [
      'empties nodes that are nearly empty, emptiest first',
      under30,
      { pods: [...several('a', 6), ...several('b', 2), ...several('c', 1)] },
      'c0 b0 b1',
    ],
    ['does nothing when all are nearly empty', under30, { pods: several('a', 1) }, ''],
    ['does nothing when none is', under30, { pods: [...several('a', 6), ...several('b', 4), ...several('c', 4)] }, ''],
    [
      'acts above numberOfNodes only',
      { ...under30, numberOfNodes: 2 },
      { pods: [...several('a', 6), ...several('b', 2), ...several('c', 1)] },
      '',
    ],
    [
      'needs a node that is not cordoned',
      under30,
      { nodes: [node('a', { cpu: '10', cordoned: true }), nodes[1]] as never, pods: [...several('a', 6), ...several('b', 2)] },
      '',
    ],
    ['stops when the others are full', under30, { pods: [...several('a', 9), ...several('b', 2), ...several('c', 2)] }, 'b0'],
    [
      'only pods that request what counts',
      { ...under30, evictionModes: ['OnlyThresholdingResources'] },
      { pods: [...several('a', 6), ...several('b', 1), pod('shop/none', { on: 'c' })] },
      'b0',
    ],
    [
      'leaves excluded namespaces',
      { ...under30, evictableNamespaces: { exclude: ['shop'] } },
      { pods: [...several('a', 6), ...several('b', 2)] },
      '',
    ],
  ]
  for (const [what, args, world, expected] of cases)
    it(what, () => {
      expect(chosen('HighNodeUtilization', args, { nodes, ...world })).to.equal(expected)
    })
})
