// One pod with two containers moves between real nodes, and nobody notices.
import { setTimeout as sleep } from 'node:timers/promises'
import type { V1Pod } from '@kubernetes/client-node'
import { expect } from 'chai'
import { sharedWorld } from './shared-lab.ts'
import type { World } from './world.ts'

describe('a move', () => {
  let world: World
  before(async function () {
    this.timeout(900_000)
    world = await sharedWorld()
  })

  describe('of a Deployment pod with two containers', () => {
    let source: V1Pod
    let destination: V1Pod

    before(async () => {
      source = await world.deployEcho({ name: 'echo', nodeName: 'node-1' })
      const talking = world.talk(await world.serviceAddress('echo'), 12)
      const direct = world.talk(source.status?.podIP ?? '', 12)
      await sleep(2000)
      const migration = await world.migrate(source.metadata?.name ?? '')
      expect(migration.status?.phase, migration.status?.message).to.equal('Complete')
      expect(migration.status?.connections?.lost).to.equal(0)
      expect(migration.status?.sequenceDelta).to.equal(0)
      for (const talk of await Promise.all([talking, direct])) {
        expect(talk.errors).to.deep.equal([])
        expect(talk.requests).to.be.greaterThan(1000)
        expect(talk.hosts).to.have.length(1)
      }
      destination = await world.pod('echo')
    })

    after(async () => {
      await world.remove('deployment/echo', 'service/echo')
      await world.remove('podmigrations', '--all')
    })

    it('lands on another node with the same address', () => {
      expect(destination.spec?.nodeName).to.not.equal(source.spec?.nodeName)
      expect(destination.status?.podIP).to.equal(source.status?.podIP)
    })

    it('keeps its host name, which is not its new name', async () => {
      expect(destination.metadata?.name).to.not.equal(source.metadata?.name)
      expect((await world.exec(destination, 'side', 'hostname')).stdout).to.equal(source.metadata?.name)
    })

    it('is adopted by its ReplicaSet, which made no other pod', async () => {
      expect(destination.metadata?.ownerReferences?.[0]?.name).to.equal(source.metadata?.ownerReferences?.[0]?.name)
      expect(await world.list<V1Pod>('pods', '-l', 'app=echo')).to.have.length(1)
    })

    it('was restarted in no container', () => {
      expect(destination.status?.containerStatuses?.map((one) => one.restartCount)).to.deep.equal([0, 0])
    })

    it('keeps the files of its volume and of its writable layer', async () => {
      for (const file of ['/data/count', '/var/tmp/layer'])
        expect(Number((await world.exec(destination, 'echo', 'cat', file)).stdout)).to.be.greaterThan(1000)
    })

    it('keeps its log', async () => {
      const log = (await world.kubectl('logs', destination.metadata?.name ?? '', '-c', 'echo')).stdout
      expect(log).to.contain('ballast')
      expect(log.match(/^tick \d+$/gm)?.length).to.be.greaterThan(5)
    })

    it('goes on from the same memory', async () => {
      const talk = await world.talk(await world.serviceAddress('echo'), 1, 1)
      expect(talk.errors).to.deep.equal([])
      expect(Number((await world.exec(destination, 'echo', 'cat', '/data/count')).stdout)).to.be.greaterThan(1000)
    })

    it('moves again, and back home', async () => {
      for (const target of ['node-2', 'node-1']) {
        const pod = await world.pod('echo')
        if (pod.spec?.nodeName === target) continue
        const talking = world.talk(await world.serviceAddress('echo'), 8)
        const migration = await world.migrate(pod.metadata?.name ?? '', { targetNodeName: target })
        expect(migration.status?.phase, migration.status?.message).to.equal('Complete')
        expect((await talking).errors).to.deep.equal([])
        expect((await world.pod('echo')).spec?.nodeName).to.equal(target)
      }
    })

    it('starts a container afresh when that ends later, not from the old images', async () => {
      const pod = await world.pod('echo')
      await world.exec(pod, 'echo', 'sh', '-c', 'kill -9 1 || kill 1')
      await world.exec(pod, 'side', 'true')
      await world.kubectl('exec', pod.metadata?.name ?? '', '-c', 'echo', '--', 'python3', '-c', 'import os; os.kill(1, 15)')
      expect((await world.pod('echo')).metadata?.name).to.equal(pod.metadata?.name)
    })
  })

  it('of a bare pod keeps its labels', async () => {
    const source = await world.deployEcho({ name: 'bare', bare: true })
    const talking = world.talk(await world.serviceAddress('bare'), 8)
    await sleep(1000)
    const migration = await world.migrate('bare')
    expect(migration.status?.phase, migration.status?.message).to.equal('Complete')
    expect((await talking).errors).to.deep.equal([])
    const destination = await world.pod('bare')
    expect(destination.spec?.nodeName).to.not.equal(source.spec?.nodeName)
    await world.remove('pod', destination.metadata?.name ?? '')
    await world.remove('service/bare')
  })
})
