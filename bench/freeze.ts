// Freeze (traffic held to pod running) of our moves beside plain `runc checkpoint` + `runc restore` of the same pod by script, in one run.
//
// PostgreSQL under `pgbench -c 8 -j 8` through its Service. Each round moves it with a PodMigration, then moves it once more by script
// (bench/plain-move) to a third node, where the copy is checked and thrown away while the source lives on. The script is what a careful person
// would write: files synced before, scripts started ahead, images in tmpfs, tar over one TCP connection between the nodes (no folder is visible
// to both), the last rsync beside it, bash without a process for its clock, criu's feature cache warm. What it leaves out counts for it:
// no routes, no connection tracking, no proof before the release.
import type { Lab } from '../test/lab/lab.ts'
import type { World } from '../test/lab/product/world.ts'
import { initializePgbench, warmPgbench } from '../test/lab/workloads/bench-client.ts'
import { postgresManifests, usualSharedBuffers } from '../test/lab/workloads/postgres.ts'
import { type FreezeOptions, freezeOptions } from './freeze/options.ts'
import { ourMove } from './freeze/our-move.ts'
import { plainMove } from './freeze/plain-move.ts'
import { inProductLab } from './freeze/product-lab.ts'
import { conclude, say, sayRound } from './freeze/report.ts'
import { type Round, underLoad } from './freeze/round.ts'

const app = 'postgres'

async function main(options: FreezeOptions): Promise<void> {
  await inProductLab(options.keep, async (world) => {
    const rounds = await moveBackAndForth(world, options)
    process.exitCode = (await conclude(rounds, world.lab.versions, options)) > 0 ? 1 : 0
  })
}

async function moveBackAndForth(world: World, options: FreezeOptions): Promise<Round[]> {
  const address = await deploy(world, options)
  say(
    `${world.lab.versions}; pgbench -c 8 -j 8 on ${address}, scale ${options.scale}, shared_buffers ${options.sharedBuffers}, ${options.limitMbps > 0 ? `at most ${options.limitMbps} Mbps ahead, ` : ''}${options.rounds} moves of ours, ${Math.floor(options.rounds / options.plainEvery)} by script`,
  )
  const rounds: Round[] = []
  for (let number = 1; number <= options.rounds; number++) {
    for (const kind of kindsOf(number, options)) {
      const round = { number, ...(await oneMove(world, address, kind, options.limitMbps)) }
      rounds.push(round)
      sayRound(round)
    }
  }
  await world.remove(`deployment/${app}`, `service/${app}`)
  await world.remove('podmigrations', '--all')
  return rounds
}

function kindsOf(number: number, { plainEvery }: FreezeOptions): Round['kind'][] {
  return number % plainEvery === 0 ? ['ours', 'plain'] : ['ours']
}

async function oneMove(world: World, address: string, kind: Round['kind'], limitMbps: number): Promise<Omit<Round, 'number'>> {
  const pod = await world.pod(app)
  const from = pod.spec?.nodeName ?? ''
  const to = nextNode(world.lab, from)
  const move = kind === 'ours' ? () => ourMove(world, pod.metadata?.name ?? '', to, limitMbps) : () => plainMove(world, pod, to)
  return { kind, from, to, ...(await underLoad(world, address, move)) }
}

function nextNode(lab: Lab, nodeName: string): string {
  const names = lab.nodes.map((node) => node.name)
  return names[(names.indexOf(nodeName) + 1) % names.length] ?? nodeName
}

async function deploy(world: World, { scale, sharedBuffers }: FreezeOptions): Promise<string> {
  await world.remove(`deployment/${app}`, `service/${app}`)
  await world.apply(postgresManifests({ name: app, namespace: 'default', movable: true, nodeName: 'node-1', sharedBuffers }))
  await world.pod(app)
  const address = await world.serviceAddress(app)
  await initializePgbench(world.lab, address, scale)
  if (sharedBuffers !== usualSharedBuffers) await warmPgbench(world.lab, address)
  return address
}

await main(freezeOptions(process.argv.slice(2)))
