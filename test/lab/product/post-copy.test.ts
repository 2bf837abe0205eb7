// Mode PostCopy: a program that rewrites its memory as fast as it can is followed by it after a short freeze, whoever of the source is killed meanwhile.
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { sourceLost } from '../../../src/api/names.ts'
import type { PodMigration } from '../../../src/api/pod-migration.ts'
import { Dice } from '../../sim/dice.ts'
import { beginMove, type Scene } from '../chaos/scene.ts'
import { heapApp } from '../workloads/heap.ts'
import { waitEligible } from './install.ts'
import { journalOf, untilInstant } from './journals.ts'
import { agentReady, freshPods } from './own-pods.ts'
import { findVictims, kill } from './victims.ts'
import { WritingHeap } from './writing-heap.ts'

const heapMB = 256

describe('a pod whose memory follows it', function () {
  this.timeout(600_000)
  const heap = new WritingHeap(heapMB)

  /** Only when nothing is at the source any more. */
  function isLive({ destination, uid }: Scene): boolean {
    return journalOf(destination, uid).includes('"state":"live"')
  }

  /** The pod lives on the destination, and its memory is still on the way, so slowly that something can happen meanwhile. */
  async function beginFetch(spec: Record<string, unknown>): Promise<Scene> {
    const { world } = heap
    await heap.ask('dirty -1')
    const scene = await beginMove(world, await world.pod(heapApp), new Dice(1), { spec: { mode: 'PostCopy', ...spec } })
    expect(await untilInstant(scene.destination, scene.uid, 'step:resumed', AbortSignal.timeout(200_000))).to.equal(true)
    return scene
  }

  async function move(mode: 'PreCopy' | 'PostCopy'): Promise<PodMigration> {
    const moved = await heap.moveWhileItWrites({ mode })
    expect(moved.status?.phase, moved.status?.message).to.equal('Complete')
    return moved
  }

  it('stands still for less than copying what it had written would take', async () => {
    const [copied, followed] = [await move('PreCopy'), await move('PostCopy')]
    const { stayedMB = 0, atSourceMB } = followed.status?.postCopy ?? {}
    expect(stayedMB).to.be.greaterThan(heapMB / 4)
    expect(atSourceMB).to.equal(0)
    console.log(
      `      ${stayedMB} MB stayed; frozen for ${followed.status?.freeze?.freezeMs} ms, in mode PreCopy for ${copied.status?.freeze?.freezeMs} ms`,
    )
    expect(followed.status?.freeze?.freezeMs).to.be.lessThan(copied.status?.freeze?.freezeMs ?? 0)
  })

  it("loses nothing when the source's agent is killed while it lends", async () => {
    const scene = await beginFetch({ bandwidthLimitMbps: 400 })
    expect(kill(findVictims('sourceAgent', scene.source))).to.be.greaterThan(0)
    expect(isLive(scene), 'everything had come already').to.equal(false)
    await heap.expectWhole()
    await heap.ask('dirty 0')
    const ended = await heap.world.ended(scene.name)
    expect(ended.status?.phase, ended.status?.message).to.equal('Complete')
    expect(ended.status?.warnings ?? []).to.deep.equal([])
    expect(ended.status?.postCopy?.atSourceMB).to.equal(0)
    await heap.expectWhole()
    await agentReady(heap.world, scene.source.name)
  })

  it('waits for a source whose agent stands still for longer than a lost node is waited for', async () => {
    const scene = await beginFetch({ bandwidthLimitMbps: 200 })
    const agents = findVictims('sourceAgent', scene.source)
    for (const pid of agents) process.kill(pid, 'SIGSTOP')
    await sleep(20_000)
    expect(isLive(scene), 'everything had come already').to.equal(false)
    // Kubelet may have ended it for its silence.
    for (const pid of agents.filter((one) => existsSync(`/proc/${one}`))) process.kill(pid, 'SIGCONT')
    await heap.ask('dirty 0')
    const ended = await heap.world.ended(scene.name)
    expect(ended.status?.phase, ended.status?.message).to.equal('Complete')
    expect(ended.status?.warnings ?? []).to.deep.equal([])
    await heap.expectWhole()
  })

  it('is started anew, and that is said, when its source is destroyed before all has come', async () => {
    const scene = await beginFetch({ bandwidthLimitMbps: 100, completionTimeoutSeconds: 600 })
    const { world } = heap
    const { name } = scene.source
    try {
      await world.lab.killNode(name)
      await world.kubectl('delete', 'node', name, '--wait=false')
      expect(isLive(scene), 'everything had come already').to.equal(false)
      const killedMs = Date.now()
      const lost = async (): Promise<boolean> => {
        const migration = await world.get<PodMigration>('podmigration', scene.name)
        return migration?.status?.warnings?.some((warning) => warning.startsWith(sourceLost)) ?? false
      }
      await world.until('the loss to be noticed', lost, 40_000)
      const noticedMs = Date.now() - killedMs
      console.log(`      noticed ${(noticedMs / 1000).toFixed(1)} s after its end`)
      expect(noticedMs).to.be.lessThan(20_000)
      const { status } = await world.ended(scene.name, 60_000)
      expect(status?.phase, status?.message).to.equal('Complete')
      expect(status?.message).to.match(/PostCopySourceLost: what stayed at the source of heap cannot come any more/)
      // Kubelet tells of it a moment later.
      const restarts = (): Promise<number | undefined> =>
        world.pod(heapApp).then((pod) => pod.status?.containerStatuses?.[0]?.restartCount || undefined)
      expect(await world.until('the restart of its container', restarts)).to.equal(1)
      expect((await world.pod(heapApp)).spec?.nodeName).to.equal(scene.destination.name)
    } finally {
      await world.lab.startNode(name)
      await world.kubectl('wait', '--for=condition=Ready', 'nodes', '--all', '--timeout=90s')
      await freshPods(world)
      await waitEligible(world.lab)
    }
  })
})
