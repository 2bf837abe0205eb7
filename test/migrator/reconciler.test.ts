// Whole moves through the real reconciler, client and caches, against the small API server and agents in memory.
import type { CoreV1Event, V1Pod } from '@kubernetes/client-node'
import { expect } from 'chai'
import type { Phase } from '../../src/api/phases.ts'
import type { PodMigration } from '../../src/api/pod-migration.ts'
import { eventPath, migrationPolicyPath, podMigrationPath, podPath } from '../../src/kube/paths.ts'
import { startMigrator } from '../../src/migrator/controller.ts'
import { realClock } from '../../src/runtime/clock.ts'
import { CodedError } from '../../src/runtime/errors.ts'
import { type TestCluster, testCluster, until } from '../extender/deps.ts'
import { FakeAgents } from './fake-agents.ts'
import { makeCapacity, makeMigration, makeNode, makePod } from './world.ts'

const allocatable = { cpu: '4', memory: '8Gi', pods: '110' }

describe('migrator', function () {
  this.timeout(15_000)
  let cluster: TestCluster
  let agents: FakeAgents
  let ending: AbortController
  let migrating: Promise<void>

  beforeEach(async () => {
    cluster = await testCluster(realClock)
    agents = new FakeAgents((address) => (address.startsWith('192.168.0.1:') ? 'na' : 'nb'))
    for (const [name, number] of [
      ['na', 1],
      ['nb', 2],
    ] as const) {
      const node = makeNode(name, number)
      cluster.write(`/api/v1/nodes/${name}`, { ...node, status: { ...node.status, allocatable } })
      cluster.write(`/apis/podmotion.io/v1alpha1/nodemigrationcapacities/${name}`, makeCapacity(name, number))
    }
    cluster.write('/apis/apps/v1/namespaces/shop/replicasets/cart', { metadata: { name: 'cart', namespace: 'shop', uid: 'rs-uid' } })
    cluster.write(podPath('shop', 'cart-7'), makePod())
    await cluster.sync()
    ending = new AbortController()
    migrating = startMigrator(cluster.deps, ending.signal, agents)
    playKubernetes(cluster)
  })

  afterEach(async () => {
    ending.abort()
    await migrating
    cluster.stop()
  })

  /** In the place of the one that works, with all that failed for it in order again. */
  const anotherController = async (): Promise<void> => {
    ending.abort()
    await migrating
    cluster.server.fault = () => undefined
    ending = new AbortController()
    migrating = startMigrator(cluster.deps, ending.signal, agents)
  }

  const create = async (spec: Parameters<typeof makeMigration>[0] = {}, name = 'move') => {
    const { uid: _given, generation: _counted, creationTimestamp: _now, ...metadata } = makeMigration().metadata
    await cluster.deps.client.create(podMigrationPath('shop'), { ...makeMigration(spec), metadata: { ...metadata, name } })
  }
  const read = (name = 'move') => cluster.server.read(podMigrationPath('shop', name)) as unknown as PodMigration | undefined
  const phase = (wanted: string) =>
    until(
      () => read()?.status,
      (status) => status?.phase === wanted,
    )
  const pods = () => cluster.deps.client.list<V1Pod>(podPath('shop')).then(({ items }) => items.map(({ metadata }) => metadata?.name))

  it('moves a pod of a ReplicaSet and leaves one pod and a free object', async () => {
    await create()
    const status = await phase('Complete')
    expect(status).to.deep.include({ sourceNode: 'na', destinationNode: 'nb', sequenceDelta: 0, granted: true })
    expect(status).not.to.have.property('reservation')
    expect(await pods()).to.deep.equal([status?.destinationPodName])
    await until(
      () => read()?.metadata.finalizers,
      (finalizers) => finalizers?.length === 0,
    )
    expect(agents.calls.filter((call) => !call.startsWith('network'))).to.deep.equal([
      'inventory na',
      'await nb',
      'move na',
      'finish committed na',
      'finish committed nb',
    ])
  })

  it('tells all nodes where the pod lives now', async () => {
    await create()
    await phase('Complete')
    await until(
      () => agents.networks.get('na')?.moved,
      (moved) => moved?.length === 1,
    )
    expect(agents.networks.get('na')?.moved).to.deep.equal([{ ip: '10.1.0.7', nodeIp: '192.168.0.2', homeNodeIp: '192.168.0.1' }])
  })

  it('refuses without touching anything', async () => {
    cluster.write(podPath('shop', 'cart-7'), makePod({ spec: { hostNetwork: true } }))
    await until(
      () => cluster.deps.caches.pods.get('shop', 'cart-7')?.spec?.hostNetwork,
      (on) => on === true,
    )
    await create()
    const status = await phase('Failed')
    expect(status?.refusals?.map(({ code }) => code)).to.include('HostNetwork')
    expect(await pods()).to.deep.equal(['cart-7'])
    expect(agents.calls.filter((call) => !call.startsWith('network'))).to.deep.equal([])
  })

  it('refuses a wish of a policy that does not exist, with every other reason', async () => {
    await create({ migrationPolicyRef: { name: 'even' }, podName: 'cart-8' })
    const status = await phase('Failed')
    expect(status?.refusals?.map(({ code }) => code)).to.deep.equal(['UnknownPolicy', 'PodNotFound'])
    expect(status?.message).to.include('spec.migrationPolicyRef.name: MigrationPolicy even does not exist')
    expect(status?.nextStep).to.include('create the MigrationPolicy first, or leave migrationPolicyRef out')
    expect(await pods()).to.deep.equal(['cart-7'])
  })

  it('knows a policy that has just come', async () => {
    await cluster.deps.client.create(migrationPolicyPath(), { metadata: { name: 'even' } })
    await create({ migrationPolicyRef: { name: 'even' } })
    await phase('Complete')
  })

  it('goes back when an agent refuses for good', async () => {
    agents.fault = (call) => (call === 'move na' ? new CodedError('Unfit', 'Moving: no') : undefined)
    await create()
    const status = await phase('RolledBack')
    expect(status?.failure).to.deep.include({ code: 'Unfit', message: 'Moving: no' })
    expect(await pods()).to.deep.equal(['cart-7'])
  })

  it('tries again when an agent is away for a moment', async () => {
    let failures = 3
    agents.fault = (call) =>
      call === 'await nb' && failures-- > 0 ? new CodedError('AgentUnreachable', 'away', { retryable: true }) : undefined
    await create()
    await phase('Complete')
    expect(failures).to.be.lessThan(1)
  })

  it('cancels by deletion, and the object goes when the pod is safe', async () => {
    agents.fault = (call) => (call === 'await nb' ? new CodedError('AgentUnreachable', 'away', { retryable: true }) : undefined)
    await create()
    await phase('DestinationPrewarm')
    await cluster.deps.client.delete(podMigrationPath('shop', 'move'))
    await until(
      () => read(),
      (migration) => migration === undefined,
    )
    expect(await pods()).to.deep.equal(['cart-7'])
  })

  it('moves one pod once when two ask for it', async () => {
    await Promise.all([create(), create({}, 'again')])
    await until(
      () => [read()?.status?.phase, read('again')?.status?.phase].toSorted().join(),
      (both) => both === 'Complete,Failed',
    )
    expect(agents.calls.filter((call) => call === 'move na')).to.have.length(1)
  })

  it('goes on where another leader stopped', async () => {
    await create()
    await until(
      () => read()?.status?.phase,
      (now) => now !== undefined && now !== 'Pending',
    )
    await anotherController()
    await phase('Complete')
    expect(await pods()).to.deep.equal([read()?.status?.destinationPodName])
  })

  const deaths: [string, (request: string, eventsBefore: number) => boolean][] = [
    ['before it tells', (request, before) => request.startsWith('POST') && before === 0],
    ['when it has told of the migration, and not of the pod', (request, before) => request.startsWith('POST') && before === 1],
    ['when it has told, and not written that', (request, before) => request.startsWith('PATCH') && before === 2],
    ['never', () => false],
  ]
  for (const [when, dies] of deaths) {
    it(`tells once of memory that does not converge; the controller dies ${when}`, async () => {
      const found = { dirtyRateMBps: 300, leftMB: 90, predictedFreezeMs: 900, budgetMs: 400, message: 'it does not converge' }
      agents.preCopy = { rounds: [], nonConvergence: { ...found, answer: 'Freeze' } }
      let isDead = false
      let events = 0
      cluster.server.fault = (method, url) => {
        const isEvent = method === 'POST' && url.endsWith('/events')
        if (isEvent || url.endsWith('/move/status')) isDead ||= dies(`${method} ${url}`, events)
        if (isEvent) events++
        return isDead ? 'reset' : undefined
      }
      await create()
      await until(
        () => isDead || read()?.status?.phase === 'Complete',
        (over) => over,
      )
      await anotherController()
      const status = await phase('Complete')
      expect(status?.preCopy?.nonConvergence).to.deep.include(found)
      const { items } = await cluster.deps.client.list<CoreV1Event>(eventPath('shop'))
      const told = items.filter(({ reason }) => reason === 'NotConverging')
      expect(told.map(({ involvedObject, count }) => [involvedObject.kind, count])).to.have.deep.members([
        ['PodMigration', 1],
        ['Pod', 1],
      ])
    })
  }

  const moved = ['Moved']
  const refused = ['Refused']
  const wentBack = ['Unfit', 'RolledBack']
  const endings: [Phase, string[], Phase | undefined][] = [
    ['Complete', moved, undefined],
    ['Complete', moved, 'Complete'],
    ['Failed', refused, undefined],
    ['Failed', refused, 'Failed'],
    ['RolledBack', wentBack, undefined],
    ['RolledBack', wentBack, 'RollingBack'],
    ['RolledBack', wentBack, 'RolledBack'],
  ]
  for (const [end, reasons, deathIn] of endings) {
    it(`tells once of ${reasons.join(' and ')}; the controller dies ${deathIn ? `when ${deathIn} is written and nothing told` : 'never'}`, async () => {
      let isDead = false
      cluster.server.fault = (method, url) => {
        if (method === 'POST' && url.endsWith('/events') && deathIn) isDead ||= read()?.status?.phase === deathIn
        return isDead ? 'reset' : undefined
      }
      if (end === 'RolledBack') agents.fault = (call) => (call === 'move na' ? new CodedError('Unfit', 'Moving: no') : undefined)
      await create(end === 'Failed' ? { targetNodeName: 'nowhere' } : {})
      await until(
        () => isDead || (read()?.status?.phase === end && !read()?.metadata.finalizers?.length),
        (over) => over,
      )
      await anotherController()
      await until(
        () => read()?.status?.phase === end && !read()?.metadata.finalizers?.length,
        (over) => over,
      )
      const { items } = await cluster.deps.client.list<CoreV1Event>(eventPath('shop'))
      const told = items.map(({ reason, involvedObject, count }) => `${reason} ${involvedObject.kind} ${count}`)
      expect(told).to.have.members(reasons.flatMap((reason) => [`${reason} PodMigration 1`, `${reason} Pod 1`]))
    })
  }
})

/** Scheduler, kubelet and ReplicaSet, as far as a move needs them. */
function playKubernetes({ deps, server }: TestCluster): void {
  deps.caches.pods.onChange(({ object, type }) => {
    if (type === 'deleted') return
    const { name = '', namespace = '', labels, annotations, deletionTimestamp } = object.metadata ?? {}
    const path = podPath(namespace, name)
    const current = () => server.read(path)
    if (!object.status?.phase && current())
      server.write(path, { ...current(), spec: { ...object.spec, nodeName: 'nb' }, status: makePod().status } as never)
    const surplus = annotations?.['controller.kubernetes.io/pod-deletion-cost'] !== undefined && !deletionTimestamp
    if (surplus && labels?.app) setTimeout(() => current() && server.remove(path), 20)
  })
}
