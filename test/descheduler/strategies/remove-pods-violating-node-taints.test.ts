// RemovePodsViolatingNodeTaints: who does not tolerate its node any more.

import type { V1Toleration } from '@kubernetes/client-node'
import { expect } from 'chai'
import { node } from '../../extender/cluster.ts'
import { type Cases, chosen, pod } from '../stock/stock.ts'

const tainted = (...taints: { key: string; value?: string; effect: string }[]) => [node('a', { taints }), node('b')]
const tolerating = (name: string, ...tolerations: V1Toleration[]) => pod(`shop/${name}`, { on: 'a', spec: { tolerations } })

describe('RemovePodsViolatingNodeTaints', () => {
  const gpu = { key: 'gpu', value: 'a', effect: 'NoSchedule' }
  const soft = { key: 'soft', effect: 'PreferNoSchedule' }
  const size = { key: 'size', value: '5', effect: 'NoSchedule' }
  const cases: Cases = [
    [
      'takes who does not tolerate NoSchedule',
      {},
      { nodes: tainted(gpu), pods: [tolerating('x'), tolerating('y', { key: 'gpu', operator: 'Exists' })] },
      'x',
    ],
    [
      'asks for the value',
      {},
      { nodes: tainted(gpu), pods: [tolerating('x', { key: 'gpu', value: 'b' }), tolerating('y', { key: 'gpu', value: 'a' })] },
      'x',
    ],
    [
      'asks for the effect',
      {},
      { nodes: tainted(gpu), pods: [tolerating('x', { key: 'gpu', operator: 'Exists', effect: 'NoExecute' })] },
      'x',
    ],
    ['an empty key with Exists tolerates all', {}, { nodes: tainted(gpu), pods: [tolerating('x', { operator: 'Exists' })] }, ''],
    [
      'compares numbers',
      {},
      {
        nodes: tainted(size),
        pods: [tolerating('x', { key: 'size', operator: 'Gt', value: '5' }), tolerating('y', { key: 'size', operator: 'Gt', value: '4' })],
      },
      'x',
    ],
    ['leaves NoExecute to the kubelet', {}, { nodes: tainted({ ...gpu, effect: 'NoExecute' }), pods: [tolerating('x')] }, ''],
    ['leaves PreferNoSchedule', {}, { nodes: tainted(soft), pods: [tolerating('x')] }, ''],
    ['unless it is told', { includePreferNoSchedule: true }, { nodes: tainted(soft), pods: [tolerating('x')] }, 'x'],
    ['leaves excluded taints, by key', { excludedTaints: ['gpu'] }, { nodes: tainted(gpu), pods: [tolerating('x')] }, ''],
    ['or by key and value', { excludedTaints: ['gpu=b'] }, { nodes: tainted(gpu), pods: [tolerating('x')] }, 'x'],
    [
      'takes included taints only',
      { includedTaints: ['gpu=a'] },
      { nodes: tainted(gpu, size), pods: [tolerating('x'), tolerating('y', { key: 'gpu', operator: 'Exists' })] },
      'x',
    ],
    ['leaves pods that have ended', {}, { nodes: tainted(gpu), pods: [pod('shop/x', { on: 'a', phase: 'Succeeded' })] }, ''],
  ]
  for (const [what, args, world, expected] of cases)
    it(what, () => {
      expect(chosen('RemovePodsViolatingNodeTaints', args, world)).to.equal(expected)
    })
})
