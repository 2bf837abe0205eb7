// What an eviction gets, for every state that a pod and its migrations can be in.
import { expect } from 'chai'
import { MigrationWebhookConfigSpec } from '../../src/api/migration-webhook-config.ts'
import type { PodMigration } from '../../src/api/pod-migration.ts'
import { decideEviction, type EvictionQuestion } from '../../src/descheduler/drain/decide-eviction.ts'
import { at, migration, nowMs, pod } from '../extender/cluster.ts'

const uid = 'uid-cart'
const cart = pod('shop/cart', { on: 'a', labels: { app: 'cart' } })
const config = (spec: object = {}, name = 'default') => ({ metadata: { name }, spec: MigrationWebhookConfigSpec.parse(spec) })
const refused = [{ code: 'HostNetwork', message: 'the pod uses the host network', remedy: 'take hostNetwork off' }]

function decide(overrides: Partial<EvictionQuestion> = {}): string {
  const decision = decideEviction({
    pod: cart,
    migrations: [],
    configs: [config()],
    namespaceLabels: { 'kubernetes.io/metadata.name': 'shop' },
    isCordoned: (name) => name === 'a',
    refusalsOf: () => [],
    nowMs,
    ...overrides,
  })
  if (decision.verdict === 'move') return `move ${decision.migrationName} by ${decision.config.metadata.name}`
  return decision.verdict === 'allow' ? `allow: ${decision.why}` : `${decision.code} ${decision.message}`
}

function attempt(name: string, completedAt: string, phase = 'RolledBack'): PodMigration {
  const failure = { code: 'NoRoom', message: 'node b is full' }
  return migration(`shop/${name}`, 'cart', { status: { phase, sourcePodUID: uid, completedAt, failure } })
}

const threeFailed = [1, 2, 3].map((number) => attempt(number === 1 ? `drain-${uid}` : `drain-${uid}-${number}`, at(-100_000)))
const moved = (status: object) =>
  migration('shop/m', 'cart', { status: { sourcePodUID: uid, sourceNode: 'a', destinationNode: 'b', ...status } })

describe('an eviction', () => {
  const cases: [string, Partial<EvictionQuestion>, string][] = [
    ['starts a move, named after the UID', {}, `move drain-${uid} by default`],
    ['of a pod on a node that is not cordoned as well', { isCordoned: () => false }, `move drain-${uid} by default`],
    [
      'is allowed for pods of other runtime classes',
      { pod: pod('shop/cart', { runtimeClassName: 'gvisor' }) },
      'allow: not under our RuntimeClass',
    ],
    [
      'is allowed when it means an earlier pod of that name',
      { expectedUid: 'uid-earlier' },
      'allow: meant another pod of that name: the API server refuses it itself',
    ],
    ['with the right UID starts a move', { expectedUid: uid }, `move drain-${uid} by default`],
    ['is allowed without any configuration', { configs: [] }, 'allow: in the scope of no MigrationWebhookConfig'],
    [
      'is allowed outside every scope',
      {
        configs: [
          config({ podSelector: { matchLabels: { app: 'other' } } }),
          config({ namespaceSelector: { matchLabels: { team: 'x' } } }),
        ],
      },
      'allow: in the scope of no MigrationWebhookConfig',
    ],
    [
      'follows the most specific configuration',
      { configs: [config(), config({ podSelector: { matchLabels: { app: 'cart' } } }, 'for-cart')] },
      `move drain-${uid} by for-cart`,
    ],
    ['is allowed for a pod that opted out', { refusalsOf: () => [{ code: 'OptedOut', message: 'no' }] }, 'allow: it opted out'],
    [
      'is allowed for a pod that does not run yet',
      { pod: pod('shop/cart', { on: 'a', phase: 'Pending' }) },
      'allow: it is Pending: nothing runs that could be moved',
    ],
    [
      'is allowed for a pod that is going, so that drain waits for its end',
      { pod: pod('shop/cart', { deleting: true }) },
      'allow: it is being deleted already',
    ],
    [
      'waits while the pod moves',
      { migrations: [moved({ phase: 'FinalFreeze' })] },
      '429 Eviction triggered evacuation of pod shop/cart: PodMigration shop/m is in phase FinalFreeze',
    ],
    [
      'waits for a move that was only just created',
      { migrations: [migration('shop/m', 'cart')] },
      '429 Eviction triggered evacuation of pod shop/cart: PodMigration shop/m is in phase Pending',
    ],
    [
      'does not wait for a dry run',
      { migrations: [migration('shop/m', 'cart', { spec: { dryRun: true } })] },
      `move drain-${uid} by default`,
    ],
    [
      'does not wait for the move of an earlier pod of that name',
      { migrations: [moved({ phase: 'Restoring', sourcePodUID: 'uid-earlier' })] },
      `move drain-${uid} by default`,
    ],
    [
      'finds a source gone from the commit on',
      { migrations: [moved({ phase: 'ServiceVerifying', committedAt: at(-1000) })] },
      '404 pod shop/cart is not there any more: it was moved to node b by PodMigration shop/m',
    ],
    [
      'finds it gone although it is being deleted',
      { pod: pod('shop/cart', { on: 'a', deleting: true }), migrations: [moved({ phase: 'CutoverComplete', committedAt: at(-1000) })] },
      '404 pod shop/cart is not there any more: it was moved to node b by PodMigration shop/m',
    ],
    [
      'finds it gone after the end',
      { migrations: [moved({ phase: 'Complete', committedAt: at(-1000) })] },
      '404 pod shop/cart is not there any more: it was moved to node b by PodMigration shop/m',
    ],
    [
      'finds it gone when what came after the commit failed',
      { migrations: [moved({ phase: 'Failed', committedAt: at(-1000) })] },
      '404 pod shop/cart is not there any more: it was moved to node b by PodMigration shop/m',
    ],
    [
      'does not drive a pod of the same name off the node that it came to',
      {
        pod: pod('shop/cart', { on: 'b', uid: 'uid-new' }),
        migrations: [moved({ phase: 'Complete', committedAt: at(-1000), destinationPodUID: 'uid-new' })],
      },
      '404 pod shop/cart is not there any more: it left the cordoned node a by PodMigration shop/m',
    ],
    [
      'does, when that node is drained in turn',
      {
        pod: pod('shop/cart', { on: 'b', uid: 'uid-new' }),
        migrations: [moved({ phase: 'Complete', committedAt: at(-1000), destinationPodUID: 'uid-new' })],
        isCordoned: () => true,
      },
      'move drain-uid-new by default',
    ],
    [
      'does, when the node it came from serves again',
      {
        pod: pod('shop/cart', { on: 'b', uid: 'uid-new' }),
        migrations: [moved({ phase: 'Complete', committedAt: at(-1000), destinationPodUID: 'uid-new' })],
        isCordoned: () => false,
      },
      'move drain-uid-new by default',
    ],
    [
      'waits for a pod that is a destination by its annotation',
      {
        pod: pod('shop/cart-x', { on: 'b', annotations: { 'podmotion.io/migration-name': 'shop/m' } }),
        migrations: [moved({ phase: 'Restoring' })],
      },
      '429 Evicting pod shop/cart-x: it is the destination of PodMigration shop/m: try again when that has ended',
    ],
    [
      'waits for a pod that is a destination by its UID',
      { pod: pod('shop/cart-x', { on: 'b' }), migrations: [moved({ phase: 'Restoring', destinationPodUID: 'uid-cart-x' })] },
      '429 Evicting pod shop/cart-x: it is the destination of PodMigration shop/m: try again when that has ended',
    ],
    [
      'moves a pod on that had arrived before',
      {
        pod: pod('shop/cart-x', { on: 'b', annotations: { 'podmotion.io/migration-name': 'shop/m' } }),
        migrations: [moved({ phase: 'Complete', destinationPodUID: 'uid-cart-x', committedAt: at(-1000) })],
      },
      'move drain-uid-cart-x by default',
    ],
    [
      'is allowed for what cannot be moved, by default',
      { refusalsOf: () => refused },
      'allow: pod shop/cart cannot be moved live (the pod uses the host network: take hostNetwork off), so it is evicted: MigrationWebhookConfig default says unmovable: Evict',
    ],
    [
      'is blocked for what cannot be moved, when the configuration says so',
      { refusalsOf: () => refused, configs: [config({ unmovable: 'Block' })] },
      '429 Evicting pod shop/cart: it cannot be moved (the pod uses the host network: take hostNetwork off) and MigrationWebhookConfig default says unmovable: Block: remove the reason, or delete the pod yourself',
    ],
    [
      'waits a while after a failed move',
      { migrations: [attempt(`drain-${uid}`, at(-4000))] },
      '429 Eviction triggered evacuation of pod shop/cart: move 1 failed (node b is full), the next starts in 6 s',
    ],
    ['then starts a second one', { migrations: [attempt(`drain-${uid}`, at(-10_000))] }, `move drain-${uid}-2 by default`],
    [
      'and a third after a longer while',
      { migrations: [attempt(`drain-${uid}`, at(-60_000)), attempt(`drain-${uid}-2`, at(-20_000))] },
      `move drain-${uid}-3 by default`,
    ],
    [
      'after three still waits for the next, and does not evict what can be moved',
      { migrations: threeFailed, configs: [config({ unmovable: 'Evict' })] },
      `move drain-${uid}-4 by default`,
    ],
    [
      'is not bothered by failed moves of others',
      { migrations: [attempt('drain-uid-cart2', at(-1000)), attempt('mine', at(-1000))] },
      `move drain-${uid} by default`,
    ],
  ]
  for (const [what, overrides, expected] of cases)
    it(what, () => {
      expect(decide(overrides)).to.equal(expected)
    })

  it('asks for reasons with the freeze budget of the pod, where that is within bounds', () => {
    const asked: number[] = []
    const refusalsOf: EvictionQuestion['refusalsOf'] = (_pod, budgetMs) => {
      asked.push(budgetMs)
      return []
    }
    for (const value of ['300', '20', 'soon'])
      decide({ refusalsOf, pod: pod('shop/cart', { annotations: { 'podmotion.io/freeze-budget-ms': value } }) })
    expect(asked).to.deep.equal([300, 2000, 2000])
  })
})
