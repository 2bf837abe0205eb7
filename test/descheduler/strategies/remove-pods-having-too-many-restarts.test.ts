// RemovePodsHavingTooManyRestarts: who restarted too often.
import { expect } from 'chai'
import { type Cases, chosen, pod } from '../stock/stock.ts'

const restarted = (name: string, restartCount: number, status: object = {}, wish: object = {}) =>
  pod(`shop/${name}`, {
    on: 'a',
    status: { containerStatuses: [{ name: 'app', restartCount, state: { running: {} } }], ...status },
    ...wish,
  })

describe('RemovePodsHavingTooManyRestarts', () => {
  const init = { initContainerStatuses: [{ name: 'init', restartCount: 5, state: { waiting: { reason: 'CrashLoopBackOff' } } }] }
  const looping = restarted('loop', 9, {
    containerStatuses: [{ name: 'app', restartCount: 9, state: { waiting: { reason: 'CrashLoopBackOff' } } }],
  })
  const five = { podRestartThreshold: 5 }
  const cases: Cases = [
    ['takes those at the threshold, most restarts first', five, { pods: [restarted('x', 4), restarted('y', 5), restarted('z', 7)] }, 'z y'],
    [
      'sums over containers',
      five,
      {
        pods: [
          restarted('x', 0, {
            containerStatuses: [
              { name: 'p', restartCount: 2 },
              { name: 'q', restartCount: 3 },
            ],
          }),
        ],
      },
      'x',
    ],
    ['leaves init containers out', five, { pods: [restarted('x', 1, init)] }, ''],
    ['unless it is told', { ...five, includingInitContainers: true }, { pods: [restarted('x', 1, init)] }, 'x'],
    ['asks for a waiting reason', { ...five, states: ['CrashLoopBackOff'] }, { pods: [restarted('x', 9), looping] }, 'loop'],
    [
      'also of init containers',
      { ...five, states: ['CrashLoopBackOff'], includingInitContainers: true },
      { pods: [restarted('x', 1, init)] },
      'x',
    ],
    ['or for a phase', { ...five, states: ['Running'] }, { pods: [restarted('x', 9), restarted('y', 9, { phase: 'Pending' })] }, 'x'],
    ['node by node', five, { pods: [restarted('x', 6), restarted('y', 99, {}, { on: 'b' })] }, 'x y'],
    ['leaves bare pods', five, { pods: [restarted('x', 9, {}, { owner: '' })] }, ''],
    [
      'stops at the limit of the node, most restarts first',
      five,
      { policy: { maxNoOfPodsToEvictPerNode: 1 }, pods: [restarted('x', 6), restarted('y', 9)] },
      'y',
    ],
  ]
  for (const [what, args, world, expected] of cases)
    it(what, () => {
      expect(chosen('RemovePodsHavingTooManyRestarts', args, world)).to.equal(expected)
    })
})
