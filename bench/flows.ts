// Every kind of flow at once through a pod that moves from node to node: errors, resets, and waits beyond the freeze, as the ends saw them.
import { cpus } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { clientCaptures } from '../test/lab/flows/capture.ts'
import { type FlowReport, Flows } from '../test/lab/flows/flows.ts'
import { moveOn } from '../test/lab/flows/moves.ts'
import { checkSequences, sequenceLine } from '../test/lab/flows/sequence.ts'
import { standStill } from '../test/lab/flows/standstill.ts'
import {
  errorsOf,
  lastLine,
  latenessOf,
  type MoveTimes,
  stallsOf,
  tableOf,
  totalsOf,
  waitsBeyondFreeze,
  waitsOf,
} from '../test/lab/flows/summary.ts'
import { Lab } from '../test/lab/lab.ts'
import { projectRoot } from '../test/lab/layout.ts'
import { installProduct } from '../test/lab/product/install.ts'
import { World } from '../test/lab/product/world.ts'
import { type FlowOptions, flowOptions } from './flows/options.ts'
import { measureSockets } from './flows/sockets.ts'
import { median, ms, percentile } from './freeze/statistics.ts'

const name = process.env.LAB_NAME ?? 'bench'
const shownErrors = 20
const betweenMovesMs = 1500
const idleOverMs = 3000
const standstills = 5

async function main(options: FlowOptions): Promise<void> {
  const lab = await preparedLab(options)
  try {
    const world = new World(lab)
    const { sockets } = options
    process.exitCode = (await (sockets === undefined ? run(world, options) : measureSockets(world, { ...options, sockets }))) ? 0 : 1
  } finally {
    if (!options.keep) await lab.down()
  }
}

/** LAB_AS_IS=1: the product that is in the lab already. */
async function preparedLab({ proxyMode, podNetwork, stack }: FlowOptions): Promise<Lab> {
  if (process.env.LAB_AS_IS) return Lab.attach(name)
  await execa('make', ['--no-print-directory', 'bundle', 'native'], { cwd: projectRoot, stdout: 'ignore' })
  const wasUp = Lab.isUp(name)
  const lab = wasUp ? Lab.attach(name) : await Lab.up({ name, proxyMode, podNetwork, stack })
  const { options } = lab
  if (options.proxyMode !== proxyMode || options.podNetwork !== podNetwork || options.stack !== stack)
    throw new Error(
      `Lab ${name} is up with ${options.proxyMode}, ${options.podNetwork}, ${options.stack}, not ${proxyMode}, ${podNetwork}, ${stack}: end it first`,
    )
  await lab.loadImages()
  await installProduct(lab, { restart: wasUp })
  return lab
}

async function run(world: World, options: FlowOptions): Promise<boolean> {
  const flows = new Flows(world)
  await flows.deploy(1)
  try {
    const captures = await clientCaptures(world, (await flows.pod()).status?.podIP ?? '')
    const count = await flows.open(options)
    console.log(
      `${world.lab.versions}; kube-proxy ${world.lab.options.proxyMode}, ${world.lab.options.podNetwork}, ${world.lab.options.stack}; ${count} flows`,
    )
    console.log(`idle before the first move: ${Math.round((await idleShare()) * 100)} % of ${cpus().length} processors`)
    const moves = await moveAround(world, options)
    const inPlace = await standSometimes(world, median(moves.map(({ freezeMs }) => freezeMs)) ?? 0)
    const reports = await flows.close()
    for (const line of tableOf(reports)) console.log(line)
    const sequences = await Promise.all(captures.map(async (one) => ({ name: one.name, report: checkSequences(await one.stop(), moves) })))
    for (const { name: client, report } of sequences) {
      console.log(sequenceLine(client, report))
      for (const finding of report.findings.slice(0, shownErrors)) console.log(`  ${finding}`)
    }
    for (const error of errorsOf(reports).slice(0, shownErrors)) console.log(`error: ${error}`)
    for (const stall of stallsOf(reports, [...moves, ...inPlace])) console.log(`waited: ${stall}`)
    for (const mode of ['request', 'connects', undefined] as const) {
      console.log(beyondLine(reports, moves, inPlace, mode))
      console.log(
        `  ${beyondLine(reports, inPlace, moves, mode, `frozen in place ${inPlace.length} times for ${ms(inPlace[0]?.freezeMs)}: `)}`,
      )
    }
    for (const line of latenessOf(waitsOf(reports, moves, undefined, inPlace))) console.log(`  beyond the freeze ${line}`)
    const totals = totalsOf(reports, moves)
    console.log(lastLine(totals))
    const isWhole = sequences.every(({ report }) => report.findings.length === 0)
    return totals.errors === 0 && totals.resets === 0 && isWhole && moves.length === options.moves
  } finally {
    await flows.remove()
    await world.remove('podmigrations', '--all')
  }
}

function beyondLine(
  reports: readonly FlowReport[],
  moves: readonly MoveTimes[],
  others: readonly MoveTimes[],
  mode: 'request' | 'connects' | undefined,
  where = '',
): string {
  const beyond = waitsBeyondFreeze(reports, moves, mode && [mode], others)
  const what = { request: 'open connections', connects: 'a new connection for each request', both: 'both' }[mode ?? 'both']
  const [p50, p99, worst] = [percentile(beyond, 0.5), percentile(beyond, 0.99), Math.max(0, ...beyond)]
  return `${where}beyond the freeze, over flows and moves, ${what}: p50 ${ms(p50)} p99 ${ms(p99)} worst ${ms(worst)}`
}

/** Of all processors, while the flows go by: how long a flow waits beyond the freeze is, without some, a matter of its turn. */
async function idleShare(): Promise<number> {
  const times = (): { idle: number; all: number } => {
    const each = cpus().map((cpu) => cpu.times)
    const sum = (pick: (one: (typeof each)[number]) => number): number => each.reduce((total, one) => total + pick(one), 0)
    return { idle: sum(({ idle }) => idle), all: sum(({ user, nice, sys, idle, irq }) => user + nice + sys + idle + irq) }
  }
  const before = times()
  await sleep(idleOverMs)
  const after = times()
  return (after.idle - before.idle) / (after.all - before.all)
}

/** No move at all, and as long a freeze: the floor of what the clients wait. */
async function standSometimes(world: World, forMs: number): Promise<MoveTimes[]> {
  const times: MoveTimes[] = []
  for (let number = 1; number <= standstills; number++) {
    times.push(await standStill(world, Math.round(forMs)))
    await sleep(betweenMovesMs)
  }
  return times
}

async function moveAround(world: World, { moves, rollback }: FlowOptions): Promise<MoveTimes[]> {
  const done: MoveTimes[] = []
  for (let number = 1; number <= moves; number++) {
    const move = await moveOn(world, rollback && number % 2 === 0)
    const { status } = move.migration
    console.log(
      `move ${number}: ${status?.phase}, ${status?.sourceNode} to ${status?.destinationNode}, freeze ${ms(move.freezeMs)} (held ${ms(move.untilMs - move.fromMs)}), relayed ${move.relayed}`,
    )
    for (const warning of status?.warnings ?? []) console.log(`  warning: ${warning}`)
    done.push(move)
    await sleep(betweenMovesMs)
  }
  return done
}

await main(flowOptions(process.argv.slice(2)))
