// npm run sim -- [--seed N] [--seeds N] [--first N] [--moves M] [--minutes N]: runs seeds until one fails, cuts its plan down, tells its story.
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { runSeed } from './run.ts'
import { shrink } from './shrink.ts'
import { storyOf } from './story.ts'
import { rewriteTable } from './table.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    first: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '2000' },
    moves: { type: 'string', default: '3' },
    minutes: { type: 'string' },
    workers: { type: 'string', default: String(Math.min(4, availableParallelism())) },
    /** Tell the story of a clean seed too; of a failing one tell it whole, not cut down. */
    story: { type: 'boolean', default: false },
    whole: { type: 'boolean', default: false },
    /** Writes the table of docs/protocol.md anew. */
    table: { type: 'boolean', default: false },
  },
})
/** Far enough apart that runs of many minutes do not meet. */
const apart = 10_000_000

function number(name: 'seed' | 'first' | 'seeds' | 'moves' | 'minutes' | 'workers'): number {
  const value = Number(values[name])
  if (Number.isFinite(value) && value >= 0) return value
  throw new Error(`Reading --${name}: "${values[name]}" is no number: expected one from 0`)
}

async function one(seed: number): Promise<number> {
  const moves = number('moves')
  const result = await runSeed({ seed, moves })
  if (result.violations.length === 0) {
    if (values.story) console.log(storyOf(result))
    console.log(`seed ${seed}: clean, ${result.happened} events, ${JSON.stringify(result.ends)}`)
    return 0
  }
  console.log(storyOf(values.whole ? result : await shrink({ seed, moves }, result)))
  return 1
}

async function many(): Promise<number> {
  // Stories tell more than stacks, and stacks cost a third of the time.
  Error.stackTraceLimit = 0
  const startedMs = Date.now()
  const [first, moves] = [number('first'), number('moves')]
  const last = values.minutes === undefined ? first + number('seeds') : Number.POSITIVE_INFINITY
  const untilMs = values.minutes === undefined ? Number.POSITIVE_INFINITY : startedMs + number('minutes') * 60_000
  const ends: Record<string, number> = {}
  let seed = first
  for (; seed < last && Date.now() < untilMs; seed++) {
    const result = await runSeed({ seed, moves })
    if (result.violations.length > 0) return await failed(seed, moves, result)
    for (const [end, count] of Object.entries(result.ends)) ends[end] = (ends[end] ?? 0) + count
  }
  const told = Object.entries(ends).map(([end, count]) => `${count} ${end}`)
  console.log(`${seed - first} seeds from ${first} clean in ${((Date.now() - startedMs) / 1000).toFixed(1)} s: ${told.join(', ')}`)
  return 0
}

async function failed(seed: number, moves: number, result: Awaited<ReturnType<typeof runSeed>>): Promise<number> {
  console.log(storyOf(await shrink({ seed, moves }, result)))
  console.log(`again: npm run sim -- --seed ${seed} --moves ${moves}`)
  return 1
}

/** One process a processor, each with its share of the seeds. */
async function inParallel(workers: number): Promise<number> {
  const [first, seeds] = [number('first'), number('seeds')]
  const share = Math.ceil(seeds / workers)
  const codes = Array.from({ length: workers }, (_one, index) => {
    const mine = values.minutes === undefined ? first + index * share : first + index * apart
    const count = Math.min(share, Math.max(0, first + seeds - mine))
    const minutes = values.minutes === undefined ? ['--seeds', String(count)] : ['--minutes', values.minutes]
    return child(['--first', String(mine), ...minutes, '--moves', values.moves])
  })
  return Math.max(...(await Promise.all(codes)))
}

function child(args: readonly string[]): Promise<number> {
  const running = spawn(process.execPath, [...process.execArgv, import.meta.filename, '--workers', '1', ...args], { stdio: 'inherit' })
  return new Promise((resolve, reject) => {
    running.once('error', reject)
    running.once('exit', (code) => resolve(code ?? 1))
  })
}

async function main(): Promise<number> {
  if (values.table) {
    await rewriteTable()
    return 0
  }
  if (values.seed !== undefined) return await one(number('seed'))
  const workers = number('workers')
  return workers > 1 ? await inParallel(workers) : await many()
}

process.exitCode = await main()
