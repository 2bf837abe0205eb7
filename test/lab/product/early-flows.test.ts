// Flows that a node masqueraded before its agent had made its rules (a node that has just booted): they live through a move to that very node.
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { agentReady } from './own-pods.ts'
import { sharedWorld } from './shared-lab.ts'
import { findVictims, kill } from './victims.ts'
import type { World } from './world.ts'

/** The clients' ways through the cluster begin at this node's kube-proxy. */
const entry = 'node-1'
const app = 'early'

describe('flows that began before the agent', () => {
  let world: World
  before(async function () {
    this.timeout(900_000)
    world = await sharedWorld()
  })
  after(async () => {
    await world.remove(`deployment/${app}`, `service/${app}`)
    await world.remove('podmigrations', '--all')
  })

  it('go on when the pod comes to the node that stands in for their clients', async () => {
    const pods = await world.deployEchosOn('node-2', { name: app, replicas: 1 })
    await world.answers(app)
    const node = world.lab.node(entry)
    kill(findVictims('sourceAgent', node))
    await node.run('nft', ['delete', 'table', 'ip', 'podmotion'])
    const ending = new AbortController()
    const talking = world.talk(await world.serviceAddress(app), 120, 8, ending.signal)
    await sleep(500)
    await agentReady(world, entry)
    await world.until(
      'the rules',
      async () => (await node.run('nft', ['list', 'set', 'ip', 'podmotion', 'movable'], { reject: false })).exitCode === 0,
    )
    await sleep(3000)
    const migration = await world.migrate(pods[0]?.metadata?.name ?? '', { targetNodeName: entry })
    await sleep(2000)
    ending.abort()
    const talk = await talking
    expect(migration.status?.phase, migration.status?.message).to.equal('Complete')
    expect(talk.errors).to.deep.equal([])
    expect(talk.worstMs).to.be.lessThan(10_000)
  })
})
