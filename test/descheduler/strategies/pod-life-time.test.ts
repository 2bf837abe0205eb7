// PodLifeTime: who is too old, or too long in a state.
import { expect } from 'chai'
import { at } from '../../extender/cluster.ts'
import { type Cases, chosen, pod } from '../stock/stock.ts'

const aged = (name: string, seconds: number, wish: object = {}) => pod(`shop/${name}`, { on: 'a', createdAt: at(-seconds * 1000), ...wish })

describe('PodLifeTime', () => {
  const hour = { maxPodLifeTimeSeconds: 3600 }
  const condition = (status: string, seconds: number) => ({
    status: { conditions: [{ type: 'Ready', status, reason: 'R', lastTransitionTime: at(-seconds * 1000) }] },
  })
  const waiting = (reason: string) => ({
    status: { phase: 'Pending', containerStatuses: [{ name: 'app', state: { waiting: { reason } } }] },
  })
  const killed = { status: { containerStatuses: [{ name: 'app', state: { terminated: { reason: 'OOMKilled', exitCode: 137 } } }] } }
  const ephemeral = { status: { ephemeralContainerStatuses: [{ name: 'debug', state: { terminated: { reason: 'Error', exitCode: 3 } } }] } }
  const cases: Cases = [
    [
      'takes older ones, oldest first over all nodes',
      hour,
      { pods: [aged('x', 4000), aged('y', 5000, { on: 'b' }), aged('z', 3600)] },
      'y x',
    ],
    ['leaves pods of the future', hour, { pods: [aged('x', -10)] }, ''],
    ['asks for a phase', { ...hour, states: ['Pending'] }, { pods: [aged('x', 4000), aged('y', 4000, { phase: 'Pending' })] }, 'y'],
    [
      'or for a reason of a container',
      { states: ['ImagePullBackOff'] },
      { pods: [aged('x', 1), aged('y', 1, waiting('ImagePullBackOff'))] },
      'y',
    ],
    ['that may have ended', { states: ['OOMKilled'] }, { pods: [aged('x', 1), aged('y', 1, killed)] }, 'y'],
    ['or of the pod', { states: ['Shutdown'] }, { pods: [aged('x', 1), aged('y', 1, { status: { reason: 'Shutdown' } })] }, 'y'],
    ['leaves ephemeral containers out', { states: ['Error'] }, { pods: [aged('x', 1, ephemeral)] }, ''],
    ['unless it is told', { states: ['Error'], includingEphemeralContainers: true }, { pods: [aged('x', 1, ephemeral)] }, 'x'],
    ['never counts their exit codes', { exitCodes: [3], includingEphemeralContainers: true }, { pods: [aged('x', 1, ephemeral)] }, ''],
    ['asks for exit codes', { exitCodes: [137] }, { pods: [aged('x', 1), aged('y', 1, killed)] }, 'y'],
    [
      'asks for a condition',
      { conditions: [{ type: 'Ready', status: 'False' }] },
      { pods: [aged('x', 1, condition('True', 1)), aged('y', 1, condition('False', 1))] },
      'y',
    ],
    [
      'that lasts',
      { conditions: [{ reason: 'R', minTimeSinceLastTransitionSeconds: 60 }] },
      { pods: [aged('x', 99, condition('True', 59)), aged('y', 99, condition('True', 60))] },
      'y',
    ],
    ['one of several is enough', { conditions: [{ type: 'No' }, { type: 'Ready' }] }, { pods: [aged('x', 1, condition('True', 1))] }, 'x'],
    ['takes owners of a kind', { ...hour, ownerKinds: { include: ['Job'] } }, { pods: [aged('x', 4000)] }, ''],
    ['leaves owners of a kind', { ...hour, ownerKinds: { exclude: ['ReplicaSet'] } }, { pods: [aged('x', 4000)] }, ''],
    [
      'a full node does not end it',
      hour,
      { policy: { maxNoOfPodsToEvictPerNode: 1 }, pods: [aged('x', 9000), aged('y', 8000), aged('z', 7000, { on: 'b' })] },
      'x z',
    ],
    [
      'nor a full namespace',
      hour,
      {
        policy: { maxNoOfPodsToEvictPerNamespace: 1 },
        pods: [aged('x', 9000), aged('y', 8000), pod('bank/z', { on: 'a', createdAt: at(-7000_000) })],
      },
      'x z',
    ],
    ['the limit of all does', hour, { policy: { maxNoOfPodsToEvictTotal: 1 }, pods: [aged('x', 9000), aged('y', 8000)] }, 'x'],
  ]
  for (const [what, args, world, expected] of cases)
    it(what, () => {
      expect(chosen('PodLifeTime', args, world)).to.equal(expected)
    })
})
