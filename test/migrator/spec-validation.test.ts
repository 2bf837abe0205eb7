// Reasons against a wish: fields that do not go together, pods that are not the one meant, moves that are under way.
import { expect } from 'chai'
import type { PodMigration, PodMigrationSpec, PodMigrationStatus, Refusal } from '../../src/api/pod-migration.ts'
import { budgetRefusals } from '../../src/migrator/estimate.ts'
import { inventoryRefusals, inventoryWarnings, wirePod } from '../../src/migrator/inventory.ts'
import { quotaRefusals } from '../../src/migrator/quota.ts'
import { chooseDestination } from '../../src/migrator/reservation.ts'
import { alreadyMovingRefusals, identityRefusals, policyRefusals, specRefusals } from '../../src/migrator/spec-validation.ts'
import { inventory, makeMigration, makePod, nb, World } from './world.ts'

const codes = (refusals: readonly Refusal[]) => refusals.map(({ code }) => code)

const specCases: [string, Partial<PodMigrationSpec>, string[]][] = [
  ['a plain wish', {}, []],
  ['PostCopy', { mode: 'PostCopy' }, []],
  ['a volume tier that is not there', { storageStrategy: 'DualEngine' }, ['StorageStrategy']],
  ['another cluster', { destinationCluster: 'east' }, ['DestinationCluster']],
  ['another namespace', { podNamespace: 'other' }, ['NamespaceMismatch']],
  ['an SQL probe', { applicationProbe: { protocol: 'SQL', port: 5432, timeoutSeconds: 5, when: 'AfterCommit' } }, ['ProbeProtocol']],
  ['a TCP probe', { applicationProbe: { protocol: 'TCP', port: 5432, timeoutSeconds: 5, when: 'AfterCommit' } }, []],
  [
    'a probe before the commit',
    { applicationProbe: { protocol: 'HTTP', port: 80, timeoutSeconds: 5, when: 'BeforeCommit' } },
    ['ProbeBeforeCommit'],
  ],
  [
    'everything wrong',
    { mode: 'PostCopy', storageStrategy: 'SnapshotClone', destinationCluster: 'x' },
    ['DestinationCluster', 'StorageStrategy'],
  ],
]

describe('reasons against a wish', () => {
  for (const [name, spec, expected] of specCases) it(name, () => expect(codes(specRefusals(makeMigration(spec)))).to.deep.equal(expected))

  it('names value and remedy', () => {
    const [refusal] = specRefusals(makeMigration({ destinationCluster: 'east' }))
    expect(refusal?.message).to.contain('"east"')
    expect(refusal?.remedy).to.equal('remove the field')
  })

  it('wants the policy that it names to be there', () => {
    const wish = makeMigration({ migrationPolicyRef: { name: 'even' } })
    expect(codes(policyRefusals(wish, true))).to.deep.equal([])
    expect(codes(policyRefusals(wish, false))).to.deep.equal(['UnknownPolicy'])
  })

  it('wants the pod to be there and to be the one meant', () => {
    expect(codes(identityRefusals(makeMigration(), undefined))).to.deep.equal(['PodNotFound'])
    expect(codes(identityRefusals(makeMigration({ sourcePodUID: 'other' }), makePod()))).to.deep.equal(['WrongUid'])
    expect(codes(identityRefusals(makeMigration({ sourcePodUID: 'source-uid' }), makePod()))).to.deep.equal([])
  })
})

describe('a pod that is moving already', () => {
  const other = (status: PodMigrationStatus, change: Partial<PodMigration['metadata']> = {}): PodMigration => ({
    ...makeMigration(),
    metadata: { ...makeMigration().metadata, name: 'other', uid: 'zzz', ...change },
    status,
  })
  const judge = (migration: PodMigration) => codes(alreadyMovingRefusals(makeMigration(), makePod(), [migration]))
  const cases: [string, PodMigration, string[]][] = [
    ['an open move', other({ phase: 'Transferring', sourcePodUID: 'source-uid' }), ['AlreadyMoving']],
    [
      'a dry run',
      { ...other({ phase: 'Validating' }, { creationTimestamp: '2025-12-31T00:00:00Z' }), spec: makeMigration({ dryRun: true }).spec },
      [],
    ],
    ['an ended move', other({ phase: 'Complete', sourcePodUID: 'source-uid' }), []],
    ['a move of an earlier pod of that name', other({ phase: 'Transferring', sourcePodUID: 'earlier' }), []],
    [
      'the move that brings this pod',
      other({ phase: 'TCPVerifying', sourcePodUID: 'earlier', destinationPodName: 'cart-7' }),
      ['AlreadyMoving'],
    ],
    ['an older one in line', other({}, { creationTimestamp: '2025-12-31T00:00:00Z' }), ['AlreadyMoving']],
    ['a younger one in line', other({ phase: 'Validating' }, { creationTimestamp: '2026-01-02T00:00:00Z' }), []],
    ['one of the same second with a greater UID', other({ phase: 'Pending' }), []],
    [
      'a younger one that has started',
      other({ phase: 'SocketInventory' }, { creationTimestamp: '2026-01-02T00:00:00Z' }),
      ['AlreadyMoving'],
    ],
  ]
  for (const [name, migration, expected] of cases) it(name, () => expect(judge(migration)).to.deep.equal(expected))

  it('never refuses two at once', () => {
    const [one, two] = [makeMigration(), other({ phase: 'Validating' })]
    const refused = [alreadyMovingRefusals(one, makePod(), [two]), alreadyMovingRefusals(two, makePod(), [one])].filter(
      ({ length }) => length > 0,
    )
    expect(refused).to.have.length(1)
  })
})

describe('choice of the destination', () => {
  const choose = (spec: Partial<PodMigrationSpec>, candidates = [nb]) => {
    const choice = chooseDestination({ ...makeMigration(spec), status: {} }, { ...new World().observe(), candidates })
    return choice.node?.nodeName ?? codes(choice.refusals)
  }
  const full = { ...nb, fits: false, reasons: [{ code: 'Cpu', message: 'needs 250m CPU, 100m are free' }] }
  const cases: [string, Partial<PodMigrationSpec>, (typeof nb)[] | undefined, string | string[]][] = [
    ['the best that fits', {}, [full, { ...nb, nodeName: 'nc' }], 'nc'],
    ['none', {}, [full], ['NoDestination']],
    ['the wanted one', { targetNodeName: 'nb' }, undefined, 'nb'],
    ['a wanted one that is full', { targetNodeName: 'nb' }, [full], ['Cpu']],
    ['a wanted one that nobody knows', { targetNodeName: 'nz' }, undefined, ['UnknownTargetNode']],
    ['where it is already', { targetNodeName: 'na' }, undefined, ['SameNode']],
  ]
  for (const [name, spec, candidates, expected] of cases) it(name, () => expect(choose(spec, candidates)).to.deep.equal(expected))

  it('names every node and its reason when there is none', () => {
    const choice = chooseDestination({ ...makeMigration(), status: {} }, { ...new World().observe(), candidates: [full] })
    expect(choice.refusals[0]?.message).to.equal('no node can take the pod (nb: needs 250m CPU, 100m are free)')
  })
})

describe('inventory', () => {
  const reasons = [
    { code: 'ServiceFlow', message: 'x', blocking: false },
    { code: 'IoUring', message: 'y', blocking: true },
  ]
  const cases: [PodMigrationSpec['tcpPreservationMode'], string[], string[]][] = [
    ['Strict', ['ServiceFlow', 'IoUring'], []],
    ['BestEffort', ['IoUring'], ['ServiceFlow']],
    ['None', ['IoUring'], []],
  ]
  for (const [mode, refused, warned] of cases) {
    it(`${mode} refuses ${refused.join(', ')} and warns of ${warned.join(', ') || 'nothing'}`, () => {
      const { spec } = makeMigration({ tcpPreservationMode: mode })
      expect(codes(inventoryRefusals({ ...inventory, reasons }, spec))).to.deep.equal(refused)
      expect(codes(inventoryWarnings({ ...inventory, reasons }, spec))).to.deep.equal(warned)
    })
  }

  it('tells the agent containers by their plain id and what to do with each volume', () => {
    const pod = makePod({
      spec: {
        volumes: [
          { name: 'e', emptyDir: {} },
          { name: 'm', emptyDir: { medium: 'Memory' } },
          { name: 's', secret: {} },
        ],
      },
    })
    expect(wirePod(pod, undefined, makeMigration().spec)).to.deep.include({
      containers: [{ name: 'main', id: 'c0ffee' }],
      volumes: [
        { name: 'e', kind: 'emptyDir' },
        { name: 'm', kind: 'emptyDirMemory' },
        { name: 's', kind: 'projected' },
      ],
    })
    const skipped = wirePod(pod, undefined, makeMigration({ storageStrategy: 'Skip' }).spec).volumes.map(({ kind }) => kind)
    expect(skipped).to.deep.equal(['skip', 'skip', 'projected'])
  })

  it('refuses a budget that even the best case cannot meet, but not in mode Cold', () => {
    const large = { ...inventory, processes: 200 }
    expect(codes(budgetRefusals(large, makeMigration({ freezeWindowBudgetMs: 500 }).spec))).to.deep.equal(['FreezeBudgetTooSmall'])
    expect(codes(budgetRefusals(large, makeMigration({ freezeWindowBudgetMs: 10_000 }).spec))).to.deep.equal([])
    expect(codes(budgetRefusals(large, makeMigration({ mode: 'Cold' }).spec))).to.deep.equal([])
  })
})

describe('quota', () => {
  const quota = (hard: object, used: object, spec = {}) =>
    [{ metadata: { name: 'q' }, spec, status: { hard, used } }] as Parameters<typeof quotaRefusals>[1]
  const cases: [string, ReturnType<typeof quota>, number][] = [
    ['room for one more pod', quota({ pods: '3' }, { pods: '2' }), 0],
    ['no room for one more pod', quota({ pods: '2' }, { pods: '2' }), 1],
    ['CPU in millicores', quota({ 'requests.cpu': '1' }, { 'requests.cpu': '751m' }), 1],
    ['CPU that just fits', quota({ 'requests.cpu': '1' }, { 'requests.cpu': '750m' }), 0],
    ['memory', quota({ 'requests.memory': '512Mi' }, { 'requests.memory': '300Mi' }), 1],
    ['a scoped quota', quota({ pods: '1' }, { pods: '1' }, { scopes: ['BestEffort'] }), 0],
    ['something else that is full', quota({ services: '1' }, { services: '1' }), 0],
  ]
  for (const [name, quotas, count] of cases) it(name, () => expect(quotaRefusals(makePod(), quotas)).to.have.length(count))
})
