// RemovePodsViolatingInterPodAntiAffinity: who stands beside somebody that it refuses.
import { expect } from 'chai'
import { type Cases, chosen, pod } from '../stock/stock.ts'

const refusing = (key: string, app: string, wish: object = {}, term: object = {}) =>
  pod(key, {
    on: 'a',
    labels: { app: 'web' },
    spec: {
      affinity: {
        podAntiAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [
            { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app } }, ...term },
          ],
        },
      },
    },
    ...wish,
  })

describe('RemovePodsViolatingInterPodAntiAffinity', () => {
  const db = pod('shop/db', { on: 'a', labels: { app: 'db' } })
  const zone = { topologyKey: 'zone' }
  const cases: Cases = [
    ['takes who refuses its neighbour', {}, { pods: [refusing('shop/x', 'db'), db] }, 'x'],
    ['leaves who has none', {}, { pods: [refusing('shop/x', 'db', { on: 'b' }), db] }, ''],
    [
      'takes one of two that refuse each other, the less important',
      {},
      { pods: [refusing('shop/x', 'web', { priority: 9 }), refusing('shop/y', 'web', { priority: 1 })] },
      'y',
    ],
    [
      'two of three',
      {},
      {
        pods: [
          refusing('shop/x', 'web', { priority: 3 }),
          refusing('shop/y', 'web', { priority: 1 }),
          refusing('shop/z', 'web', { priority: 2 }),
        ],
      },
      'y z',
    ],
    ['looks into the zone', {}, { pods: [refusing('shop/x', 'db', { on: 'b' }, zone), db] }, 'x'],
    ['not beyond it', {}, { pods: [refusing('shop/x', 'db', { on: 'c' }, zone), db] }, ''],
    ['takes nodes without the label for one domain each', {}, { pods: [refusing('shop/x', 'db', {}, { topologyKey: 'rack' }), db] }, 'x'],
    ['stays in its namespace', {}, { pods: [refusing('bank/x', 'db'), db] }, ''],
    ['unless others are named', {}, { pods: [refusing('bank/x', 'db', {}, { namespaces: ['shop'] }), db] }, 'x'],
    ['leaves who is protected', {}, { pods: [refusing('shop/x', 'db', { priority: 2_000_000_000 }), db] }, ''],
    [
      'does not see pods that the policy leaves out',
      { labelSelector: { matchLabels: { app: 'web' } } },
      { pods: [refusing('shop/x', 'db'), db] },
      '',
    ],
  ]
  for (const [what, args, world, expected] of cases)
    it(what, () => {
      expect(chosen('RemovePodsViolatingInterPodAntiAffinity', args, world)).to.equal(expected)
    })
})
