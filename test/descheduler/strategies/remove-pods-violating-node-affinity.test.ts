// RemovePodsViolatingNodeAffinity: whose node does not meet its affinity, or meets it less than another.
import { expect } from 'chai'
import { node } from '../../extender/cluster.ts'
import { type Cases, chosen, pod } from '../stock/stock.ts'

const nodes = [node('a', { labels: { disk: 'hdd' } }), node('b', { labels: { disk: 'ssd' } })]
const term = (values: string[]) => ({ matchExpressions: [{ key: 'disk', operator: 'In', values }] })
const required = (values: string[]) => ({ requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term(values)] } })
const preferred = (weight: number, values: string[]) => ({
  preferredDuringSchedulingIgnoredDuringExecution: [{ weight, preference: term(values) }],
})
const wishing = (name: string, nodeAffinity: object, wish: object = {}) =>
  pod(`shop/${name}`, { on: 'a', spec: { affinity: { nodeAffinity } }, ...wish })

describe('RemovePodsViolatingNodeAffinity', () => {
  const hard = { nodeAffinityType: ['requiredDuringSchedulingIgnoredDuringExecution'] }
  const soft = { nodeAffinityType: ['preferredDuringSchedulingIgnoredDuringExecution'] }
  const full = pod('shop/full', { on: 'b', cpu: '4' })
  const cases: Cases = [
    ['takes who is on the wrong node', hard, { pods: [wishing('x', required(['ssd'])), wishing('y', required(['hdd']))] }, 'x'],
    ['leaves who fits nowhere', hard, { pods: [wishing('x', required(['nvme']))] }, ''],
    ['leaves who has no room elsewhere', hard, { pods: [wishing('x', required(['ssd']), { cpu: '1' }), full] }, ''],
    ['looks at required affinity only', hard, { pods: [wishing('x', preferred(1, ['ssd']))] }, ''],
    [
      'takes who would be better elsewhere',
      soft,
      { pods: [wishing('x', preferred(1, ['ssd'])), wishing('y', preferred(1, ['hdd']))] },
      'x',
    ],
    [
      'does not ask whether there is room on the better node',
      soft,
      { pods: [wishing('x', preferred(1, ['ssd']), { cpu: '1' }), full] },
      'x',
    ],
    ['asks with nodeFit', soft, { evictor: { nodeFit: true }, pods: [wishing('x', preferred(1, ['ssd']), { cpu: '1' }), full] }, ''],
    [
      'leaves equal weights',
      soft,
      {
        pods: [
          wishing('x', {
            preferredDuringSchedulingIgnoredDuringExecution: [
              { weight: 5, preference: term(['ssd']) },
              { weight: 5, preference: term(['hdd']) },
            ],
          }),
        ],
      },
      '',
    ],
    [
      'takes both kinds',
      { nodeAffinityType: [...hard.nodeAffinityType, ...soft.nodeAffinityType] },
      { pods: [wishing('x', preferred(1, ['ssd'])), wishing('y', required(['ssd']))] },
      'y x',
    ],
  ]
  for (const [what, args, world, expected] of cases)
    it(what, () => {
      expect(chosen('RemovePodsViolatingNodeAffinity', args, { nodes, ...world })).to.equal(expected)
    })
})
