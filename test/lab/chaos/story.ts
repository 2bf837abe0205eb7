// The transcript of a chaos move that went wrong: what was done to it, its status, both journals, and what the agents and the controller said.
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { productNamespace } from '../product/install.ts'
import { journalOf } from '../product/journals.ts'
import { describePlan, type Plan } from './plan.ts'
import type { Scene } from './scene.ts'

const logSince = '240s'

export async function tellStory(plan: Plan, scene: Scene, struck: string, wrong: readonly string[]): Promise<string> {
  const { world, name, uid, source, destination } = scene
  const log = (...what: string[]): Promise<string> =>
    world
      .kubectl('-n', productNamespace, 'logs', ...what, `--since=${logSince}`, '--prefix', '--tail=-1', '--timestamps')
      .then(({ all }) => all)
  const parts: [string, string][] = [
    ['plan', describePlan(plan)],
    ['move', `${scene.pod.metadata?.name} from ${source.name} to ${destination.name}, migration ${name} ${uid}`],
    ['trouble', struck],
    ['wrong', wrong.join('\n')],
    ['status', (await world.kubectl('get', 'podmigration', name, '-o', 'yaml')).all],
    ['pods', (await world.kubectl('get', 'pods', '-A', '-o', 'wide')).all],
    ['journal of the source', safeJournal(source, uid)],
    ['journal of the destination', safeJournal(destination, uid)],
    ['events', (await world.kubectl('get', 'events', '-A', '--sort-by=.lastTimestamp')).all],
    ['agents', await log('-l', 'app.kubernetes.io/name=podmotion-agent')],
    ['controllers', await log('-l', 'app.kubernetes.io/name=podmotion-controller')],
  ]
  const file = join(tmpdir(), `podmotion-chaos-${plan.seed}.txt`)
  await writeFile(file, parts.map(([title, text]) => `== ${title}\n${text}\n`).join('\n'))
  const short = parts.slice(0, 4).map(([title, text]) => `  ${title}: ${text.replaceAll('\n', '\n    ')}`)
  return [...short, `  transcript: ${file}`, `  again: make chaos MOVES=1 SEED=${plan.seed}`].join('\n')
}

function safeJournal(...[node, uid]: Parameters<typeof journalOf>): string {
  try {
    return journalOf(node, uid)
  } catch (error) {
    return String(error)
  }
}
