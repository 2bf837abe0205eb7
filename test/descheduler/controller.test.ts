// The descheduler against an API server: PodMigrations, status and events of a policy that runs on its schedule.
import { expect } from 'chai'
import { startDescheduler } from '../../src/descheduler/controller.ts'
import { Namespaces } from '../../src/descheduler/namespaces.ts'
import { runPolicy } from '../../src/descheduler/run-policy.ts'
import { Timetable } from '../../src/descheduler/timetable.ts'
import * as paths from '../../src/kube/paths.ts'
import { capacity, node, nowMs, pod } from '../extender/cluster.ts'
import { type TestCluster, testCluster, until } from '../extender/deps.ts'
import { FakeClock } from '../runtime/fake-clock.ts'
import { policy } from './policy.ts'

describe('descheduler', () => {
  let cluster: TestCluster
  let ending: AbortController

  beforeEach(async () => {
    ending = new AbortController()
    cluster = await testCluster(new FakeClock(nowMs))
    for (const name of ['a', 'b']) {
      cluster.write(paths.nodePath(name), node(name))
      cluster.write(paths.nodeMigrationCapacityPath(name), capacity(name))
    }
    cluster.write(paths.podPath('shop', 'cart'), pod('shop/cart', { on: 'a', cpu: '1500m', uid: '12345678-90ab-cdef' }))
    cluster.write(paths.podPath('shop', 'web'), pod('shop/web', { on: 'a', cpu: '2', runtimeClassName: undefined }))
  })
  afterEach(() => {
    ending.abort()
    cluster.stop()
  })

  const run = (name = 'even') => runPolicy(cluster.deps, new Namespaces(cluster.deps.client, cluster.deps.clock), () => [], name)
  const statusOf = (name = 'even') => cluster.server.read(paths.migrationPolicyPath(name))?.status
  const eventsOf = () => cluster.server.requests.filter((request) => request.startsWith('POST /api/v1/namespaces/default/events'))

  it('makes the PodMigration, the status and an event', async () => {
    cluster.write(
      paths.migrationPolicyPath('even'),
      policy('even', { defaults: { mode: 'Cold', freezeWindowBudgetMs: 300, onNonConvergence: 'Abort' } }),
    )
    await cluster.sync()
    await run()
    const made = cluster.server.read(paths.podMigrationPath('shop', 'even-12345678-1'))
    expect(made?.spec).to.deep.equal({
      podName: 'cart',
      podNamespace: 'shop',
      sourcePodUID: '12345678-90ab-cdef',
      targetNodeName: 'b',
      migrationPolicyRef: { name: 'even' },
      tcpPreservationMode: 'Strict',
      mode: 'Cold',
      freezeWindowBudgetMs: 300,
      onNonConvergence: 'Abort',
    })
    expect(made?.metadata.labels).to.deep.equal({ 'podmotion.io/made-by': 'policy' })
    expect(statusOf()).to.deep.equal({
      lastRunAt: '2026-05-04T12:00:00.000Z',
      lastResult: 'LowNodeUtilization: 1 nodes over cpu 70 %, 1 under cpu 40 %: 1 moves',
      movesPlanned: 1,
      movesStarted: 1,
    })
    expect(eventsOf()).to.have.length(1)
  })

  it('does not move a pod twice while its move is open', async () => {
    cluster.write(paths.migrationPolicyPath('even'), policy('even'))
    await cluster.sync()
    await run()
    await run()
    expect(cluster.deps.caches.migrations.list()).to.have.length(1)
    expect(statusOf()).to.include({ movesPlanned: 0, movesStarted: 0 })
  })

  it('takes the next number when the name is taken by an earlier move', async () => {
    cluster.write(paths.migrationPolicyPath('even'), policy('even'))
    cluster.write(paths.podMigrationPath('shop', 'even-12345678-1'), {
      spec: { podName: 'cart', podNamespace: 'shop' },
      status: { phase: 'Failed', completedAt: '2026-05-04T10:00:00Z' },
    })
    await cluster.sync()
    await run()
    expect(cluster.server.read(paths.podMigrationPath('shop', 'even-12345678-2'))?.spec.podName).to.equal('cart')
  })

  it('only says what it would do in a dry run', async () => {
    cluster.write(paths.migrationPolicyPath('even'), policy('even', { dryRun: true }))
    await cluster.sync()
    await run()
    expect(cluster.deps.caches.migrations.list()).to.deep.equal([])
    expect(eventsOf()).to.deep.equal([])
    expect(statusOf()).to.include({
      lastResult: 'dry run: pod shop/cart from a to b: 1 nodes over cpu 70 %, 1 under cpu 40 %',
      movesPlanned: 1,
      movesStarted: 0,
    })
  })

  it('goes on when one PodMigration is refused, and counts only what started', async () => {
    cluster.write(paths.migrationPolicyPath('even'), policy('even'))
    await cluster.sync()
    cluster.server.fault = (method, url) =>
      method === 'POST' && url.includes('podmigrations') ? { status: 422, reason: 'Invalid' } : undefined
    await run()
    expect(statusOf()).to.include({ movesPlanned: 1, movesStarted: 0 })
    expect(eventsOf()).to.have.length(1)
  })

  it('asks for the labels of namespaces when a selector needs them', async () => {
    cluster.write(paths.migrationPolicyPath('even'), policy('even', { namespaceSelector: { matchLabels: { team: 'x' } } }))
    cluster.write(paths.namespacePath('shop'), { metadata: { labels: { team: 'x' } } })
    await cluster.sync()
    await run()
    expect(cluster.deps.caches.migrations.list()).to.have.length(1)
  })

  it('runs by itself on the schedule of the policy, and no longer after its end', async () => {
    cluster.write(paths.migrationPolicyPath('even'), policy('even', { schedule: '* * * * * *' }))
    await cluster.sync()
    const running = startDescheduler(cluster.deps, ending.signal)
    await until(
      () => statusOf(),
      (status) => status?.movesStarted === 1,
    )
    ending.abort()
    await running
    const count = cluster.server.requests.length
    await new Promise((resolve) => setTimeout(resolve, 1200))
    expect(cluster.server.requests.length).to.equal(count)
  })

  it('catches up with one run when it begins to lead', async () => {
    const late = { ...policy('even', { schedule: '0 3 * * *' }), status: { lastRunAt: '2020-01-01T03:00:00Z', movesPlanned: 9 } }
    cluster.write(paths.migrationPolicyPath('even'), late)
    await cluster.sync()
    void startDescheduler(cluster.deps, ending.signal)
    const status = await until(
      () => statusOf(),
      (found) => found?.movesStarted === 1,
    )
    expect(status.lastRunAt).to.equal('2026-05-04T12:00:00.000Z')
  })

  it('says once that a schedule cannot be read, and what else is wrong', async () => {
    await cluster.sync()
    void startDescheduler(cluster.deps, ending.signal)
    const blackoutWindows = [{ start: '08:00', end: '25:00', timeZone: 'UTC' }]
    cluster.write(paths.migrationPolicyPath('even'), policy('even', { schedule: 'every night', blackoutWindows }))
    const status = await until(
      () => statusOf(),
      (found) => found !== undefined,
    )
    expect(status.lastResult).to.match(
      /^spec.schedule: "every night" is no cron expression.*spec.blackoutWindows\[0\].end: .*; the policy does not run$/,
    )
    await until(eventsOf, (events) => events.length > 0)
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(eventsOf()).to.have.length(1)
  })
})

describe('timetable', () => {
  const timetable = new Timetable(async () => {})
  afterEach(() => timetable.clear())

  it('knows when a run was missed while nobody led', () => {
    const hourMs = 3_600_000
    const missed = (schedule: string, agoMs: number) => timetable.set('x', schedule) && timetable.hasMissed('x', Date.now() - agoMs)
    expect(missed('*/2 * * * *', 0)).to.equal(false)
    expect(missed('*/2 * * * *', 10 * 60_000)).to.equal(true)
    expect(missed('0 3 * * *', 0)).to.equal(false)
    expect(missed('0 3 * * *', 49 * hourMs)).to.equal(true)
    // Whatever day it is: over a weekend two days without a run are nothing.
    expect(missed('0 9 * * 1-5', 0)).to.equal(false)
    expect(missed('0 9 * * 1-5', 8 * 24 * hourMs)).to.equal(true)
    expect(timetable.hasMissed('x', Number.NaN), 'never ran').to.equal(false)
    expect(timetable.hasMissed('unknown', 0)).to.equal(false)
  })

  it('keeps one timer a policy and drops what cannot be read', () => {
    expect(timetable.set('a', '*/5 * * * *')).to.equal(true)
    expect(timetable.set('a', '*/6 * * * *')).to.equal(true)
    expect(timetable.set('b', '*/5 * * * * *')).to.equal(true)
    expect(timetable.names).to.deep.equal(['a', 'b'])
    expect(timetable.set('a', 'nonsense')).to.equal(false)
    timetable.delete('unknown')
    expect(timetable.names).to.deep.equal(['b'])
  })
})
