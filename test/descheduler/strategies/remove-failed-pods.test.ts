// RemoveFailedPods: which failed pods go.
import { expect } from 'chai'
import { at } from '../../extender/cluster.ts'
import { type Cases, chosen, pod } from '../stock/stock.ts'

const failed = (name: string, state: object = {}, wish: object = {}) =>
  pod(`shop/${name}`, {
    on: 'a',
    phase: 'Failed',
    createdAt: at(-7200_000),
    status: { containerStatuses: [{ name: 'app', state: { terminated: { exitCode: 1, reason: 'Error' } }, ...state }] },
    ...wish,
  })

describe('RemoveFailedPods', () => {
  const waiting = { state: { waiting: { reason: 'CreateContainerConfigError' } } }
  const init = { initContainerStatuses: [{ name: 'init', state: { terminated: { exitCode: 137, reason: 'OOMKilled' } } }] }
  const withInit = pod('shop/init', { on: 'a', phase: 'Failed', createdAt: at(-7200_000), status: { containerStatuses: [], ...init } })
  const cases: Cases = [
    ['takes failed pods only', {}, { pods: [failed('x'), pod('shop/y', { on: 'a', createdAt: at(-7200_000) })] }, 'x'],
    ['waits an hour by default', {}, { pods: [failed('x', {}, { createdAt: at(-3599_000) })] }, ''],
    ['takes one that is just old enough', {}, { pods: [failed('x', {}, { createdAt: at(-3600_000) })] }, 'x'],
    ['can take young ones', { minPodLifetimeSeconds: 0 }, { pods: [failed('x', {}, { createdAt: at(-1000) })] }, 'x'],
    ['asks for a reason of a container that ended', { reasons: ['Error'] }, { pods: [failed('x'), failed('y', waiting)] }, 'x'],
    ['or that waits', { reasons: ['CreateContainerConfigError'] }, { pods: [failed('x'), failed('y', waiting)] }, 'y'],
    ['or of the pod', { reasons: ['Evicted'] }, { pods: [failed('x'), failed('y', {}, { status: { reason: 'Evicted' } })] }, 'y'],
    ['leaves init containers out', { reasons: ['OOMKilled'] }, { pods: [withInit] }, ''],
    ['unless it is told', { reasons: ['OOMKilled'], includingInitContainers: true }, { pods: [withInit] }, 'init'],
    ['asks for exit codes', { exitCodes: [1] }, { pods: [failed('x'), withInit] }, 'x'],
    ['also of init containers', { exitCodes: [137], includingInitContainers: true }, { pods: [failed('x'), withInit] }, 'init'],
    ['leaves kinds of owners out', { excludeOwnerKinds: ['ReplicaSet'] }, { pods: [failed('x')] }, ''],
    ['leaves other namespaces out', { namespaces: { include: ['bank'] } }, { pods: [failed('x')] }, ''],
    ['leaves excluded namespaces out', { namespaces: { exclude: ['shop'] } }, { pods: [failed('x')] }, ''],
    [
      'asks for labels',
      { labelSelector: { matchLabels: { a: 'b' } } },
      { pods: [failed('x'), failed('y', {}, { labels: { a: 'b' } })] },
      'y',
    ],
    [
      'stops at the limit of the node',
      {},
      { policy: { maxNoOfPodsToEvictPerNode: 1 }, pods: [failed('x'), failed('y'), failed('z', {}, { on: 'b' })] },
      'x z',
    ],
    [
      'and at that of all',
      {},
      { policy: { maxNoOfPodsToEvictTotal: 2 }, pods: [failed('x'), failed('y'), failed('z', {}, { on: 'b' })] },
      'x y',
    ],
  ]
  for (const [what, args, world, expected] of cases)
    it(what, () => {
      expect(chosen('RemoveFailedPods', args, world)).to.equal(expected)
    })
})
