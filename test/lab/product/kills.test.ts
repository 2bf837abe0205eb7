// Kills parts of the product in the middle of moves: exactly one copy of the pod goes on, and the next move works. KILLS=10: ten instants each.
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import type { PodMigration } from '../../../src/api/pod-migration.ts'
import type { Machine } from '../machine.ts'
import { type Instant, journalOf, untilInstant } from './journals.ts'
import { agentReady, freshPods, leaderNode } from './own-pods.ts'
import { sharedWorld } from './shared-lab.ts'
import { findVictims, kill, processesOn, type Victim } from './victims.ts'
import type { Talk, World } from './world.ts'

const kills = Number(process.env.KILLS ?? 1)
const budgetMs = 8000
const slackMs = 5000
const app = 'victim'
/** Talking lasts at most so long, and usually until a moment after the migration's end. */
const talkSeconds = 60
const talkAfterMs = 1500

/** Which agent's journal is watched, in the order of choice: the first ones are the short form. */
const plans: { victim: Victim; watch: 'source' | 'destination'; instants: Instant[] }[] = [
  {
    victim: 'controller',
    watch: 'source',
    instants: [
      'step:frozen',
      'state:moving',
      'step:presync',
      'step:armed',
      'step:diverted',
      'step:dumped',
      'step:verified',
      'step:granted',
      'state:committed',
      'step:resumed',
      'opened',
    ],
  },
  {
    victim: 'sourceAgent',
    watch: 'source',
    instants: [
      'step:locked',
      'state:granted',
      'opened',
      'state:moving',
      'step:presync',
      'state:frozen',
      'step:diverted',
      'step:frozen',
      'step:transferred',
      'state:committed',
    ],
  },
  {
    victim: 'destinationAgent',
    watch: 'destination',
    instants: [
      'step:restored',
      'state:committed',
      'opened',
      'state:standing',
      'step:armed',
      'state:holding',
      'step:held',
      'state:restoring',
      'step:released',
      'step:resumed',
    ],
  },
  {
    victim: 'sourceCriu',
    watch: 'source',
    instants: [
      'step:locked+30',
      'step:locked',
      'step:presync',
      'step:armed',
      'state:frozen',
      'step:diverted',
      'step:frozen',
      'step:locked+60',
      'step:locked+100',
      'step:locked+150',
    ],
  },
  {
    victim: 'destinationCriu',
    watch: 'destination',
    instants: [
      'state:restoring+60',
      'step:restored',
      'step:restored+5',
      'state:restoring',
      'state:restoring+30',
      'state:restoring+100',
      'state:restoring+150',
      'state:restoring+200',
      'state:restoring+250',
      'state:held',
    ],
  },
  {
    victim: 'standIn',
    watch: 'destination',
    instants: [
      'step:restored',
      'state:committed',
      'state:standing',
      'step:armed',
      'state:holding',
      'step:held',
      'state:restoring',
      'step:socketsLive',
      'step:released',
      'state:live',
    ],
  },
]

describe('a move in which a part of the product is killed', () => {
  let world: World
  before(async function () {
    this.timeout(900_000)
    world = await sharedWorld()
    await world.deployEcho({ name: app, ballastMiB: 50 })
  })
  after(async () => {
    await world.remove(`deployment/${app}`, `service/${app}`)
    await world.remove('podmigrations', '--all')
  })

  beforeEach(async function () {
    this.timeout(200_000)
    await freshPods(world)
  })

  for (const { victim, watch, instants } of plans) {
    for (const instant of instants.slice(0, kills)) {
      it(`${victim} at ${instant} of the ${watch}: one copy goes on, and moves again`, () => survives(world, victim, watch, instant))
    }
  }
})

/**
 * After the commit, the pod's own programs are its stand-in and criu: without them it has crashed on its new node, as it can anywhere. And a
 * dump works inside the program's own threads (docs/decisions/0005): whoever kills criu there may kill the program with it.
 */
function crashes(victim: Victim, { duringDump }: Killed, committed: boolean): boolean {
  if (victim === 'sourceCriu') return duringDump
  return committed && (victim === 'standIn' || victim === 'destinationCriu')
}

interface Parts {
  uid: string
  source: Machine
  destination: Machine
}

async function survives(world: World, victim: Victim, watch: 'source' | 'destination', instant: Instant): Promise<void> {
  const enough = new AbortController()
  const talking = world.talk(await world.serviceAddress(app), talkSeconds, 8, enough.signal)
  await sleep(1000)
  const parts = await startMove(world)
  const killed = await killAt(world, victim, parts, parts[watch], instant)
  const migration = await world.ended(await nameOf(world, parts.uid))
  setTimeout(() => enough.abort(), talkAfterMs)
  const committed = journalOf(parts.destination, parts.uid).includes('"state":"committed"')
  const mayCrash = crashes(victim, killed, committed)
  expect(migration.status?.phase, migration.status?.message).to.be.oneOf(committed ? ['Complete', 'Failed'] : ['RolledBack', 'Failed'])
  expect(migration.status?.message).to.not.equal('')
  checkTalk(await talking, mayCrash, killed.awayMs)
  await oneCopy(world)
  await movesAgain(world)
}

async function startMove(world: World): Promise<Parts> {
  const pod = await world.pod(app)
  const destination = world.lab.nodes.find((node) => node.name !== pod.spec?.nodeName)
  if (!destination) throw new Error('no other node')
  const wanted = world.migration({ podName: pod.metadata?.name, targetNodeName: destination.name, freezeWindowBudgetMs: budgetMs })
  const applied = await world.apply(wanted)
  expect(applied.exitCode, applied.all).to.equal(0)
  const migration = await world.get<PodMigration>('podmigration', wanted.metadata.name)
  return { uid: migration?.metadata.uid ?? '', source: world.lab.node(pod.spec?.nodeName ?? ''), destination }
}

async function nameOf(world: World, uid: string): Promise<string> {
  const migrations = await world.list<PodMigration>('podmigrations')
  return migrations.find((one) => one.metadata.uid === uid)?.metadata.name ?? ''
}

interface Killed {
  /** How long the killed part was away, as far as the pod may have waited for it. */
  awayMs: number
  /** criu worked inside the source's programs, or was about to: on a busy machine a kill comes later than the instant it was meant for. */
  duringDump: boolean
}

async function killAt(world: World, victim: Victim, parts: Parts, watched: Machine, when: Instant): Promise<Killed> {
  const { instant, delayMs } = timeOf(when)
  const node = await nodeOf(world, victim, parts)
  const signal = AbortSignal.timeout(60_000)
  // Found ahead where it can be: looking through all processes takes longer than some steps do.
  const ahead = bornAt[victim]
  if (ahead !== instant && comesBefore(ahead, instant)) expect(await untilInstant(watched, parts.uid, ahead, signal)).to.equal(true)
  const early = ahead === instant || !comesBefore(ahead, instant) ? [] : await untilFound(victim, node, bornWithinMs)
  expect(await untilInstant(watched, parts.uid, instant, signal), `${instant} never came`).to.equal(true)
  await sleep(delayMs)
  const pids = early.length > 0 ? early : await untilFound(victim, node, bornWithinMs)
  const killedAtMs = Date.now()
  const killed = kill(pids)
  const journal = journalOf(parts.source, parts.uid)
  const duringDump = journal.includes('"step":"locked"') && !journal.includes('"step":"dumped"')
  // Some time after an instant it may have done its work; then this was a plain move.
  if (delayMs === 0) expect(killed, `no ${victim} to kill on ${node.name}`).to.be.greaterThan(0)
  if (victim === 'sourceAgent' || victim === 'destinationAgent') await agentReady(world, node.name)
  return { awayMs: Date.now() - killedAtMs, duringDump }
}

/** From when on there is one. */
const bornAt: Record<Victim, Instant> = {
  controller: 'opened',
  sourceAgent: 'opened',
  destinationAgent: 'opened',
  sourceCriu: 'step:presync',
  destinationCriu: 'step:armed',
  standIn: 'state:standing',
}
const bornWithinMs = 1000
const order: Instant[] = [
  'opened',
  'state:standing',
  'state:moving',
  'step:presync',
  'step:armed',
  'state:frozen',
  'state:holding',
  'step:held',
  'step:diverted',
  'step:frozen',
  'step:locked',
  'step:dumped',
  'step:transferred',
  'state:restoring',
  'step:restored',
  'state:held',
  'step:verified',
  'state:granted',
  'step:granted',
  'state:committed',
  'step:socketsLive',
  'step:released',
  'step:resumed',
  'state:live',
]

/** `step:locked+30`: that many milliseconds later. */
function timeOf(when: Instant): { instant: Instant; delayMs: number } {
  const [instant, delay] = when.split('+')
  return { instant: instant as Instant, delayMs: Number(delay ?? 0) }
}

function comesBefore(one: Instant, other: Instant): boolean {
  return order.indexOf(one) < order.indexOf(other)
}

async function untilFound(victim: Victim, node: Machine, withinMs: number): Promise<number[]> {
  const endMs = Date.now() + withinMs
  let pids = findVictims(victim, node)
  while (pids.length === 0 && Date.now() < endMs) {
    await sleep(1)
    pids = findVictims(victim, node)
  }
  return pids
}

async function nodeOf(world: World, victim: Victim, { source, destination }: Parts): Promise<Machine> {
  if (victim === 'sourceAgent' || victim === 'sourceCriu') return source
  return victim === 'controller' ? await leaderNode(world) : destination
}

function checkTalk(talk: Talk, mayCrash: boolean, awayMs: number): void {
  const wrong = talk.errors.filter((error) => !mayCrash || /counter went|sent .* got \[[^\]]/.test(error))
  expect(wrong).to.deep.equal([])
  expect(talk.worstMs).to.be.lessThan(awayMs + budgetMs + slackMs)
  if (!mayCrash) expect(talk.requests).to.be.greaterThan(500)
}

/** On all nodes together one process of the pod's first container, and it answers. */
async function oneCopy(world: World): Promise<void> {
  await world.pod(app)
  await world.answers(app)
  const copies = world.lab.nodes.flatMap((node) =>
    processesOn(node).filter((one) => one.args[0] === 'python3' && one.args.some((arg) => arg.includes('socketserver'))),
  )
  expect(copies.length, 'copies of the pod that run').to.equal(1)
}

async function movesAgain(world: World): Promise<void> {
  const pod = await world.pod(app)
  const enough = new AbortController()
  const talking = world.talk(await world.serviceAddress(app), talkSeconds, 8, enough.signal)
  const migration = await world.migrate(pod.metadata?.name ?? '')
  setTimeout(() => enough.abort(), talkAfterMs)
  expect(migration.status?.phase, migration.status?.message).to.equal('Complete')
  expect((await talking).errors).to.deep.equal([])
}
