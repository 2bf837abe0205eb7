// A move that cannot finish, or is called off, leaves the pod where it was, with its connections.
import { setTimeout as sleep } from 'node:timers/promises'
import type { V1Pod } from '@kubernetes/client-node'
import { expect } from 'chai'
import type { PodMigration } from '../../../src/api/pod-migration.ts'
import { sharedWorld } from './shared-lab.ts'
import type { World } from './world.ts'

describe('a move that does not happen', () => {
  let world: World
  let pod: V1Pod
  before(async function () {
    this.timeout(900_000)
    world = await sharedWorld()
    pod = await world.deployEcho({ name: 'stays', ballastMiB: 200 })
  })
  after(async () => {
    await world.remove('deployment/stays', 'service/stays')
    await world.remove('podmigrations', '--all')
  })

  /** Talks to the pod while `act` goes on; afterwards the same pod runs, and no connection noticed. */
  async function undisturbed(act: () => Promise<void>): Promise<void> {
    const talking = world.talk(await world.serviceAddress('stays'), 15)
    await sleep(1000)
    await act()
    const talk = await talking
    expect(talk.errors).to.deep.equal([])
    expect(talk.requests).to.be.greaterThan(1000)
    const now = await world.pod('stays')
    expect(now.metadata?.uid).to.equal(pod.metadata?.uid)
    expect(await world.list<V1Pod>('pods', '-l', 'podmotion.io/migration-uid')).to.deep.equal([])
  }

  it('because it is a dry run says what it would cost', () =>
    undisturbed(async () => {
      const migration = await world.migrate(pod.metadata?.name ?? '', { dryRun: true })
      expect(migration.status?.phase).to.equal('DryRunComplete')
      expect(migration.status?.estimate?.memoryMB).to.be.greaterThan(100)
    }))

  it('because the freeze takes longer than its budget rolls back', () =>
    undisturbed(async () => {
      const migration = await world.migrate(pod.metadata?.name ?? '', { freezeWindowBudgetMs: 50, tcpPreservationMode: 'BestEffort' })
      expect(migration.status?.phase).to.be.oneOf(['RolledBack', 'Failed'])
      expect(JSON.stringify(migration.status)).to.match(/budget/i)
    }))

  it("because a container cannot be restored rolls back, and says criu's own reason", () =>
    undisturbed(async () => {
      const criu = '/usr/sbin/criu'
      const nodes = world.lab.nodes.filter((node) => node.name !== pod.spec?.nodeName)
      const target = nodes[0]
      if (!target) throw new Error('no other node')
      await target.run('sh', ['-c', `mv ${criu} ${criu}.away && printf '#!/bin/sh\\nexit 1\\n' > ${criu} && chmod 755 ${criu}`])
      try {
        const migration = await world.migrate(pod.metadata?.name ?? '', { targetNodeName: target.name })
        expect(migration.status?.phase, migration.status?.message).to.equal('RolledBack')
        expect(migration.status?.failure?.message).to.not.equal('')
      } finally {
        await target.run('mv', [`${criu}.away`, criu])
      }
    }))

  it('because it is deleted in the middle rolls back before it is gone', () =>
    undisturbed(async () => {
      const wanted = world.migration({ podName: pod.metadata?.name })
      await world.apply(wanted)
      await world.until('the destination pod', async () => {
        const migration = await world.get<PodMigration>('podmigration', wanted.metadata.name)
        return migration?.status?.destinationPodName !== undefined
      })
      const deleted = await world.kubectl('delete', 'podmigration', wanted.metadata.name, '--timeout=60s')
      expect(deleted.exitCode, deleted.all).to.equal(0)
    }))

  it('and afterwards the pod moves as ever', async () => {
    const talking = world.talk(await world.serviceAddress('stays'), 12)
    const migration = await world.migrate(pod.metadata?.name ?? '')
    expect(migration.status?.phase, migration.status?.message).to.equal('Complete')
    expect((await talking).errors).to.deep.equal([])
  })
})
