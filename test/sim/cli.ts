// npm run sim -- [--seed N] [--seeds N] [--moves M] [--minutes N]: runs seeds until one fails, cuts its plan down, and tells its story.
import { parseArgs } from 'node:util'
import { runSeed } from './run.ts'
import { shrink } from './shrink.ts'
import { storyOf } from './story.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    first: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '2000' },
    moves: { type: 'string', default: '3' },
    minutes: { type: 'string' },
    story: { type: 'boolean', default: false },
    whole: { type: 'boolean', default: false },
  },
})

function number(name: string, text: string): number {
  const value = Number(text)
  if (Number.isFinite(value) && value >= 0) return value
  throw new Error(`Reading --${name}: "${text}" is no number: expected one from 0`)
}

async function main(): Promise<number> {
  const moves = number('moves', values.moves)
  if (values.seed !== undefined) return await one(number('seed', values.seed), moves)
  const first = number('first', values.first)
  const untilMs = values.minutes === undefined ? Number.POSITIVE_INFINITY : Date.now() + number('minutes', values.minutes) * 60_000
  const seeds = values.minutes === undefined ? number('seeds', values.seeds) : Number.POSITIVE_INFINITY
  return await many(first, seeds, moves, untilMs)
}

async function one(seed: number, moves: number): Promise<number> {
  const result = await runSeed({ seed, moves })
  if (result.violations.length === 0) {
    if (values.story) console.log(storyOf(result))
    console.log(`seed ${seed}: clean, ${result.happened} events, ${JSON.stringify(result.ends)}`)
    return 0
  }
  const small = values.whole ? result : await shrink({ seed, moves }, result)
  console.log(storyOf(small))
  return 1
}

async function many(first: number, seeds: number, moves: number, untilMs: number): Promise<number> {
  // Stories tell more than stacks, and stacks cost a third of the time.
  Error.stackTraceLimit = 0
  const startedMs = Date.now()
  const ends: Record<string, number> = {}
  let done = 0
  for (let seed = first; done < seeds && Date.now() < untilMs; seed++, done++) {
    const result = await runSeed({ seed, moves })
    for (const [end, count] of Object.entries(result.ends)) ends[end] = (ends[end] ?? 0) + count
    if (result.violations.length === 0) continue
    console.log(`seed ${seed} fails: ${result.violations.map(({ checker, message }) => `${checker}: ${message}`).join('; ')}`)
    console.log(storyOf(await shrink({ seed, moves }, result)))
    console.log(`again: npm run sim -- --seed ${seed} --moves ${moves}`)
    return 1
  }
  const seconds = (Date.now() - startedMs) / 1000
  console.log(`${done} seeds from ${first} clean in ${seconds.toFixed(1)} s (${moves} moves each): ${JSON.stringify(ends)}`)
  return 0
}

process.exitCode = await main()
