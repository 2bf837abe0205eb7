// A committed pod whose packets cannot be let in on its destination: it says so, and gets them from a later life of the agent there.
import { expect } from 'chai'
import { trafficHeld } from '../../../src/api/names.ts'
import type { PodMigration } from '../../../src/api/pod-migration.ts'
import { journalOf } from './journals.ts'
import { agentReady } from './own-pods.ts'
import { sharedWorld } from './shared-lab.ts'
import { findVictims, kill } from './victims.ts'
import type { World } from './world.ts'

/** `ip` as the agent of that container finds it first, but for what lets packets in. */
const failing = `#!/bin/sh
case "$*" in
*-batch*)
	text=$(cat)
	case "$text" in *"nud permanent"*) echo "not today" >&2; exit 1 ;; esac
	printf '%s\\n' "$text" | /usr/sbin/ip "$@" ;;
*) exec /usr/sbin/ip "$@" ;;
esac
`

describe('traffic that cannot be let in', function () {
  this.timeout(240_000)
  let world: World
  before(async function () {
    this.timeout(900_000)
    world = await sharedWorld()
  })
  after(async () => {
    await world.remove('deployment/held', 'service/held')
    await world.remove('podmigrations', '--all')
  })

  it('is let in by a later life of the agent, and until then the move says that the pod is without', async () => {
    const pod = await world.deployEcho({ name: 'held' })
    const target = world.lab.nodes.find(({ name }) => name !== pod.spec?.nodeName) ?? expect.fail('no other node')
    const [agent = 0] = findVictims('destinationAgent', target)
    const place = `/proc/${agent}/root/usr/local/sbin/ip`
    await target.runHere('sh', ['-c', 'cat > "$1" && chmod 755 "$1"', 'sh', place], { input: failing })
    const wanted = world.migration({ podName: pod.metadata?.name, targetNodeName: target.name })
    const { name } = wanted.metadata
    await world.apply(wanted)
    const read = async (): Promise<PodMigration | undefined> => await world.get<PodMigration>('podmigration', name)
    const held = await world.until('the move to say so', async () => {
      const migration = await read()
      return migration?.status?.message?.startsWith(trafficHeld) && migration
    })
    expect(held.status?.phase).to.equal('DisengageHold')
    expect(held.status?.message).to.include('not today')
    const events = await world.list<{ reason: string }>('events', '--field-selector', `involvedObject.name=${name}`)
    expect(events.filter(({ reason }) => reason === trafficHeld)).to.have.length(1)
    const journal = (): string => journalOf(target, held.metadata.uid ?? '')
    expect(journal()).to.include('"step":"resumed"').and.to.not.include('"step":"released"')

    expect(kill([agent])).to.equal(1)
    const ended = await world.ended(name)
    expect(ended.status?.phase, ended.status?.message).to.equal('Complete')
    expect(journal()).to.include('"step":"released"')
    const disarmed = ended.status?.conditions?.find(({ type }) => type === 'ZeroWindowDisarmed')
    expect(disarmed).to.deep.include({ status: 'True', reason: 'TrafficReleased' })
    await world.answers('held')
    await agentReady(world, target.name)
  })
})
