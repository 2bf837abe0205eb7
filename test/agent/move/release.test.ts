// A committed destination that has nothing left of what it restored, as after a reboot: may kubelet start the pod anew?
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { readConfig } from '../../../src/agent/config.ts'
import type { AgentContext } from '../../../src/agent/context.ts'
import { DiskFiles } from '../../../src/agent/journal/disk-files.ts'
import { Journal } from '../../../src/agent/journal/journal.ts'
import { AwaitedPod } from '../../../src/agent/move/awaited-pod.ts'
import { Release } from '../../../src/agent/move/release.ts'
import { Moves } from '../../../src/agent/moves.ts'
import { awaitRequest, destinationOpened, uid } from '../samples.ts'

describe('a committed pod of which nothing is left', function () {
  this.timeout(20_000)
  const base = mkdtempSync(`${tmpdir()}/podmotion-release-`)
  after(() => rmSync(base, { recursive: true }))

  /** Whether kubelet may start the pod anew, when the source answers so. */
  async function startsAfresh(name: string, answers: (() => { goesOn: boolean })[]): Promise<boolean> {
    const folder = `${base}/${name}`
    const config = readConfig({ NODE_NAME: 'nb', NODE_IP: '127.0.0.1', RUN_DIR: `${folder}/run`, STATE_DIR: `${folder}/state` })
    const moves = new Moves(new Journal(new DiskFiles(`${config.stateDir}/journal`)), 'nb')
    moves.open(uid, destinationOpened)
    for (const type of ['standing', 'hold', 'restore', 'held'] as const) moves.decideDestination(uid, { type })
    moves.decideDestination(uid, { type: 'grant', heldAtMs: Date.now(), deadlineMs: 60_000 })
    const peers = { to: () => ({ call: async () => answers.shift()?.() }) }
    const context = { config, moves, peers, network: {} } as unknown as AgentContext
    await new Release(context, uid, new AwaitedPod(config, uid, awaitRequest), () => []).run().catch(() => undefined)
    for (let tries = 0; tries < 1000 && moves.destination(uid).state !== 'live'; tries++) await sleep(10)
    expect(moves.destination(uid).state).to.equal('live')
    return existsSync(`${config.stateDir}/restored/shop_cart-7-m1/main`)
  }

  it('starts anew, but not beside a source that went on, which is asked until it answers', async () => {
    const silent = (): never => {
      throw new Error('no answer')
    }
    const started = await Promise.all([
      startsAfresh('ended', [() => ({ goesOn: false })]),
      startsAfresh('goes-on', [() => ({ goesOn: true })]),
      startsAfresh('silent-first', [silent, () => ({ goesOn: true })]),
    ])
    expect(started).to.deep.equal([true, false, false])
  })
})
