// The table of docs/protocol.md: for every point of a move, what happens when a part dies just there, as the simulation plays it.
import { readFileSync, writeFileSync } from 'node:fs'
import { runs } from './node.ts'
import type { Happening, Plan } from './plan.ts'
import { runSeed } from './run.ts'
import type { World } from './world.ts'

const document = new URL('../../docs/protocol.md', import.meta.url)
const [begins, ends] = ['<!-- the table: npm run sim -- --table -->', '<!-- end of the table -->']
const seed = 7

const points: readonly [label: string, told: string][] = [
  ['opened -> destination awaiting', 'destination awaits'],
  ['standing -> destination standing', 'stand-in waits'],
  ['proceed -> source moving', 'move begins'],
  ['step:presync', 'files copied ahead'],
  ['freeze -> source frozen', 'freeze journalled'],
  ['step:held', 'traffic held'],
  ['step:diverted', 'routes diverted'],
  ['step:frozen', 'frozen'],
  ['step:dumped', 'dumped'],
  ['step:transferred', 'transferred'],
  ['step:restored', 'restored at the gate'],
  ['step:verified', 'verified'],
  ['verified -> source granted', '**granted**'],
  ['grant -> destination committed', '**committed**'],
  ['step:socketsLive', 'sockets live'],
  ['step:resumed', 'resumed'],
  ['outcome -> source committed', 'source knows'],
  ['finish -> source finished', 'source is ended'],
]

const blows: readonly [told: string, what: Happening][] = [
  ['source agent dies', { kind: 'killAgent', side: 'source', downMs: 500 }],
  ['destination agent dies', { kind: 'killAgent', side: 'destination', downMs: 500 }],
  ['controller dies', { kind: 'killController', replica: 0, downMs: 500 }],
  ['source node reboots', { kind: 'reboot', side: 'source', downMs: 3000 }],
  ['destination node reboots', { kind: 'reboot', side: 'destination', downMs: 3000 }],
  ['PodMigration deleted', { kind: 'deleteMigration' }],
]

export async function crashTable(): Promise<string> {
  const head = ['point', ...blows.map(([told]) => told)]
  const rows = [head, head.map(() => '---')]
  for (const [label, told] of points) {
    const cells = [told]
    for (const [, what] of blows) cells.push(await outcome(label, what))
    rows.push(cells)
  }
  return rows.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

async function outcome(label: string, what: Happening): Promise<string> {
  const move: Happening = { kind: 'move', pod: 0, target: -1, budgetMs: 2000, completionSeconds: 120, keep: false }
  const plan: Plan = {
    seed,
    replicas: 1,
    events: [
      { when: { atMs: 5000 }, what: move },
      { when: { label, count: 1, delayMs: 0 }, what },
      // Both: the second one may be the leader.
      ...(what.kind === 'killController' ? [{ when: { label, count: 1, delayMs: 0 }, what: { ...what, replica: 1 } }] : []),
    ],
  }
  const watched: Watched = { pausedMs: 0 }
  const result = await runSeed({ seed, moves: 1, plan, watch: (world) => watchPauses(world, watched) })
  if (result.violations.length > 0) throw new Error(`${label}, ${what.kind}: ${result.violations[0]?.message}`)
  return tell(watched)
}

interface Watched {
  pausedMs: number
  world?: World
  /** Of the moved pod; known as soon as the migration says which it is, and then kept. */
  family?: string
  sourceNode?: string
  since?: number | undefined
}

/** The longest time in which the moved pod was there and none of its copies ran. */
function watchPauses(world: World, watched: Watched): void {
  watched.world = world
  const status = world.migrations()[0]?.status
  if (status?.sourcePodUID) Object.assign(watched, { family: status.sourcePodUID, sourceNode: status.sourceNode })
  const { family } = watched
  if (family === undefined) return
  const running = world.processesOf(family).some(runs)
  if (running && watched.since !== undefined) watched.pausedMs = Math.max(watched.pausedMs, world.loop.nowMs - watched.since)
  watched.since = running ? undefined : (watched.since ?? world.loop.nowMs)
}

function tell({ world, family = '', sourceNode, pausedMs }: Watched): string {
  const at = world?.nodes.find((node) => node.processes.some((process) => process.family === family && runs(process)))?.name
  const where = at === undefined ? 'nowhere' : at === sourceNode ? 'source' : 'destination'
  const fresh = (world?.freshStarts(family) ?? 0) > 1 ? ', afresh' : ''
  return `${where}${fresh}, ${pausedMs < 1000 ? `${Math.round(pausedMs / 10) * 10} ms` : `${(pausedMs / 1000).toFixed(1)} s`}`
}

/** What the document says now, and what it should say. */
export async function tableInDocument(): Promise<{ said: string; meant: string }> {
  const text = readFileSync(document, 'utf8')
  const [from, to] = [text.indexOf(begins) + begins.length, text.indexOf(ends)]
  return { said: text.slice(from, to).trim(), meant: await crashTable() }
}

export async function rewriteTable(): Promise<void> {
  const text = readFileSync(document, 'utf8')
  const [from, to] = [text.indexOf(begins) + begins.length, text.indexOf(ends)]
  writeFileSync(document, `${text.slice(0, from)}\n\n${await crashTable()}\n\n${text.slice(to)}`)
}
