// RemoveDuplicates: pods of one owner on one node, down to an even share.
import { expect } from 'chai'
import { node } from '../../extender/cluster.ts'
import { type Cases, chosen, pod, threeNodes } from '../stock/stock.ts'

const several = (count: number, wish: object = {}, first = 0) =>
  Array.from({ length: count }, (_none, number) => pod(`shop/p${first + number}`, { on: 'a', ...wish }))

describe('RemoveDuplicates', () => {
  const tainted = [
    threeNodes[0],
    node('b', { taints: [{ key: 'k', effect: 'NoSchedule' }] }),
    node('c', { taints: [{ key: 'k', effect: 'NoExecute' }] }),
  ]
  const cases: Cases = [
    ['leaves one on the node when there are nodes enough', {}, { pods: several(3) }, 'p1 p2'],
    ['leaves an even share', {}, { pods: several(6) }, 'p2 p3 p4 p5'],
    ['counts the pods on other nodes for the share', {}, { pods: [...several(3), ...several(3, { on: 'b' }, 3)] }, 'p2 p5'],
    ['has nothing to do when even', {}, { pods: [...several(1), ...several(1, { on: 'b' }, 1), ...several(1, { on: 'c' }, 2)] }, ''],
    ['tells images apart', {}, { pods: [...several(1), ...several(1, { image: 'app:2' }, 1)] }, ''],
    ['tells owners apart', {}, { pods: [...several(1), ...several(1, { owner: 'api' }, 1)] }, ''],
    ['tells namespaces apart', {}, { pods: [...several(1), pod('bank/q', { on: 'a' })] }, ''],
    ['leaves excluded kinds of owners', { excludeOwnerKinds: ['ReplicaSet'] }, { pods: several(3) }, ''],
    ['leaves excluded namespaces', { namespaces: { exclude: ['shop'] } }, { pods: several(3) }, ''],
    ['counts only nodes that the pods tolerate', {}, { nodes: tainted as never, pods: several(3) }, ''],
    [
      'counts those that they select',
      {},
      {
        nodes: [...threeNodes, node('d', { labels: { disk: 'ssd' } }), node('e', { labels: { disk: 'ssd' } })],
        pods: several(4, { on: 'd', spec: { nodeSelector: { disk: 'ssd' } } }),
      },
      'p2 p3',
    ],
    ['leaves pods that have ended', {}, { pods: several(3, { phase: 'Succeeded' }) }, ''],
    [
      'stops at the limit of the node',
      {},
      { policy: { maxNoOfPodsToEvictPerNode: 1 }, pods: [...several(4), ...several(4, { on: 'b' }, 4)] },
      'p3 p7',
    ],
    ['and at that of all', {}, { policy: { maxNoOfPodsToEvictTotal: 1 }, pods: several(4) }, 'p2'],
  ]
  for (const [what, args, world, expected] of cases)
    it(what, () => {
      expect(chosen('RemoveDuplicates', args, world)).to.equal(expected)
    })
})
