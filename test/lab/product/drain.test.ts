// An unmodified kubectl drain moves every movable pod once, live, and ends 0.
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import type { PodMigration } from '../../../src/api/pod-migration.ts'
import { BenchClient, failures, initializePgbench } from '../workloads/bench-client.ts'
import { postgresManifests } from '../workloads/postgres.ts'
import { sharedWorld } from './shared-lab.ts'
import type { World } from './world.ts'

const drainArgs = [
  'drain',
  'node-1',
  '--ignore-daemonsets',
  '--delete-emptydir-data',
  '--timeout=200s',
  '--pod-selector=app in (six, postgres)',
]
// How many times PostgreSQL moves under load; `make moves MOVES=20` is the long form.
const moves = Number(process.env.MOVES ?? 4)

describe('kubectl drain', () => {
  let world: World
  before(async function () {
    this.timeout(900_000)
    world = await sharedWorld()
  })
  afterEach(async () => {
    await world.kubectl('uncordon', 'node-1')
    await world.remove('deployment/six', 'service/six', 'deployment/postgres', 'service/postgres')
    await world.remove('podmigrations', '--all')
  })

  it('of a node with six pods moves each of them once', async () => {
    const before = await world.deployEchosOn('node-1', { name: 'six', replicas: 6 })
    await world.answers('six')
    const talking = world.talk(await world.serviceAddress('six'), 60, 6)
    await sleep(1000)
    const drain = await world.kubectl(...drainArgs)
    expect(drain.exitCode, drain.all).to.equal(0)
    const migrations = await world.list<PodMigration>('podmigrations')
    for (const one of migrations) await world.ended(one.metadata.name)
    const complete = (await world.list<PodMigration>('podmigrations')).filter((one) => one.status?.phase === 'Complete')
    expect(complete.map((one) => one.status?.podIP).toSorted()).to.deep.equal(before.map((pod) => pod.status?.podIP).toSorted())
    const after = await world.until('six pods elsewhere', async () => {
      const pods = await world.pods('six')
      return pods.length === before.length && pods
    })
    expect(after.map((pod) => pod.status?.podIP).toSorted()).to.deep.equal(before.map((pod) => pod.status?.podIP).toSorted())
    expect(after.every((pod) => pod.spec?.nodeName !== 'node-1')).to.equal(true)
    expect((await talking).errors).to.deep.equal([])
    await nothingLeftToDo(world)
  }).timeout(400_000)

  it('and moves back and forth lose no transaction of PostgreSQL', async () => {
    await world.apply(postgresManifests({ name: 'postgres', namespace: 'default', movable: true, nodeName: 'node-1' }))
    await world.pod('postgres')
    const address = await world.serviceAddress('postgres')
    await initializePgbench(world.lab, address)
    const bench = await BenchClient.start(world.lab, { address, seconds: 20 + moves * 15, logFolder: '/tmp/pgbench-moves' })
    await sleep(3000)
    for (let move = 0; move < moves; move++) {
      const pod = await world.pod('postgres')
      const target = pod.spec?.nodeName === 'node-2' ? 'node-1' : 'node-2'
      const migration = await world.migrate(pod.metadata?.name ?? '', { targetNodeName: target })
      expect(migration.status?.phase, migration.status?.message).to.equal('Complete')
    }
    const result = await bench.finish()
    expect(failures(result), result.output.slice(-2000)).to.equal(0)
    expect(result.exitCode).to.equal(0)
    expect(result.transactions).to.be.greaterThan(500)
  }).timeout(120_000 + moves * 60_000)
})

async function nothingLeftToDo(world: World): Promise<void> {
  const known = (await world.list<PodMigration>('podmigrations')).length
  const drain = await world.kubectl(...drainArgs)
  expect(drain.exitCode, drain.all).to.equal(0)
  expect((await world.list<PodMigration>('podmigrations')).length).to.equal(known)
}
