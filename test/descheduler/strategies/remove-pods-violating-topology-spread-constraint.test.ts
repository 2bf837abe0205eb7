// RemovePodsViolatingTopologySpreadConstraint: which domains hold too many.
import { expect } from 'chai'
import { node } from '../../extender/cluster.ts'
import { type Cases, chosen, pod } from '../stock/stock.ts'

const spread = { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule', labelSelector: { matchLabels: { app: 'web' } } }
const nodes = ['z1', 'z2', 'z3'].map((zone) => node(zone, { labels: { zone } }))

/** `sizes` pods per zone, named after it. */
function inZones(sizes: number[], constraint: object = {}, wish: object = {}) {
  return sizes.flatMap((size, zone) =>
    Array.from({ length: size }, (_none, number) =>
      pod(`shop/z${zone + 1}-${number}`, {
        on: `z${zone + 1}`,
        labels: { app: 'web' },
        ...wish,
        spec: { topologySpreadConstraints: [{ ...spread, ...constraint }], ...(wish as { spec?: object }).spec },
      } as object),
    ),
  )
}

const strategy = 'RemovePodsViolatingTopologySpreadConstraint'

describe(strategy, () => {
  const cordoned = [nodes[0], node('z2', { labels: { zone: 'z2' }, cordoned: true }), nodes[2]]
  const tainted = [nodes[0], nodes[1], node('z3', { labels: { zone: 'z3' }, taints: [{ key: 'k', effect: 'NoSchedule' }] })]
  const important = inZones([2, 0, 0])
  if (important[0]?.spec) important[0].spec.priority = 10
  const selecting = inZones([2, 0, 0])
  if (selecting[1]?.spec) selecting[1].spec.nodeSelector = { zone: 'z1' }
  const cases: Cases = [
    ['leaves what is within the skew', {}, { pods: inZones([2, 1, 1]) }, ''],
    ['counts empty domains', {}, { pods: inZones([2, 1, 0]) }, 'z1-1'],
    ['brings domains to the average', {}, { pods: inZones([6, 0, 0]) }, 'z1-4 z1-5 z1-2 z1-3'],
    ['keeps to maxSkew', {}, { pods: inZones([3, 0, 0], { maxSkew: 3 }) }, ''],
    ['leaves soft constraints', {}, { pods: inZones([4, 0, 0], { whenUnsatisfiable: 'ScheduleAnyway' }) }, ''],
    [
      'unless it is told',
      { constraints: ['ScheduleAnyway'] },
      { pods: inZones([2, 0, 0], { whenUnsatisfiable: 'ScheduleAnyway' }) },
      'z1-1',
    ],
    ['takes the highest priority first, as the stock one does', {}, { pods: important }, 'z1-0'],
    ['takes pods that are bound to nodes last', {}, { pods: selecting }, 'z1-0'],
    ['leaves protected pods where they are', {}, { pods: inZones([3, 0, 0], {}, { priority: 2_000_000_000 }) }, ''],
    ['needs a place to go', {}, { nodes: cordoned as never, pods: inZones([2, 0, 1]) }, ''],
    ['unless it is told', { topologyBalanceNodeFit: false }, { nodes: cordoned as never, pods: inZones([2, 0, 1]) }, 'z1-1'],
    ['counts tainted domains', {}, { nodes: tainted as never, pods: inZones([2, 2, 0]) }, ''],
    [
      'unless the constraint honours taints',
      {},
      { nodes: tainted as never, pods: inZones([3, 0, 0], { nodeTaintsPolicy: 'Honor' }) },
      'z1-2',
    ],
    [
      'takes matchLabelKeys for part of the selector',
      {},
      {
        pods: [
          ...inZones([1, 0, 0], { matchLabelKeys: ['v'] }, { labels: { app: 'web', v: '1' } }),
          pod('shop/other', { on: 'z1', labels: { app: 'web', v: '2' } }),
        ],
      },
      '',
    ],
    ['stays in its namespaces', { namespaces: { include: ['bank'] } }, { pods: inZones([4, 0, 0]) }, ''],
    ['does not take a pod that goes already', {}, { pods: inZones([2, 1, 0], {}, { deleting: true }) }, ''],
  ]
  for (const [what, args, world, expected] of cases)
    it(what, () => {
      expect(chosen(strategy, args, { nodes, ...world })).to.equal(expected)
    })
})
