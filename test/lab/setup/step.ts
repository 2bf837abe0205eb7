// A step of set-up: built once per content of its inputs, kept in the cache, reported with its seconds.
import { createHash } from 'node:crypto'
import { appendFileSync, existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { execa } from 'execa'
import { cacheDir } from '../layout.ts'
import { withLock } from './lock.ts'

export type Run = (command: string, args: string[], options?: RunOptions) => Promise<boolean>

type RunOptions = {
  readonly env?: Record<string, string>
  readonly cwd?: string
  readonly mayFail?: boolean
}

export type Step = {
  readonly name: string
  // Everything that decides what is built; `buildDir` and the like do not belong here.
  readonly inputs: readonly string[]
  // Steps that share something that only one may use have the same lock; the default is the name.
  readonly lock?: string
  build(out: string, run: Run): Promise<void>
}

export async function cachedDir(step: Step): Promise<string> {
  const done = join(cacheDir(), `${step.name}-${digest(step.inputs)}`)
  if (!existsSync(done)) await withLock(step.lock ?? step.name, () => buildOnce(step, done))
  await utimes(done, new Date(), new Date())
  return done
}

async function buildOnce(step: Step, done: string): Promise<void> {
  // Whoever had the lock before may have built it.
  if (existsSync(done)) return
  const unfinished = `${done}.building-${process.pid}`
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(unfinished, { recursive: true })
  await timed(step.name, (run) => step.build(unfinished, run))
  // A rename is atomic: an interrupted build is never mistaken for a finished one.
  await rename(unfinished, done)
  await removeForgotten(step.name)
}

const forgottenAfterMs = 7 * 24 * 3600 * 1000

// Results of earlier inputs that nothing has used for long.
async function removeForgotten(name: string): Promise<void> {
  for (const entry of await readdir(cacheDir())) {
    if (!new RegExp(`^${name}-[0-9a-f]{12}$`).test(entry)) continue
    const dir = join(cacheDir(), entry)
    if (Date.now() - (await stat(dir)).mtimeMs > forgottenAfterMs) await rm(dir, { recursive: true, force: true })
  }
}

function digest(inputs: readonly string[]): string {
  const hash = createHash('sha256')
  for (const input of inputs) hash.update(input).update('\0')
  return hash.digest('hex').slice(0, 12)
}

export async function timed(name: string, work: (run: Run) => Promise<void>): Promise<void> {
  const log = join(cacheDir(), 'logs', `${name}.log`)
  await mkdir(join(cacheDir(), 'logs'), { recursive: true })
  await rm(log, { force: true })
  const startedAt = Date.now()
  console.log(`lab: ${name} …`)
  try {
    await work(runInto(log))
  } catch (error) {
    throw new Error(`Setting up ${name}: ${await reason(error, log)}\n  log: ${log}`)
  }
  console.log(`lab: ${name} done in ${((Date.now() - startedAt) / 1000).toFixed(1)} s`)
}

function runInto(log: string): Run {
  return async (command, args, options = {}) => {
    appendFileSync(log, `$ ${command} ${args.join(' ')}\n`)
    const { env = {}, cwd = '/' } = options
    const output = { file: log, append: true } as const
    const result = await execa(command, args, { stdin: 'ignore', stdout: output, stderr: output, buffer: false, reject: false, env, cwd })
    if (result.failed && !options.mayFail) throw new Error(result.shortMessage ?? `${command} failed`)
    return !result.failed
  }
}

async function reason(error: unknown, log: string): Promise<string> {
  const message = error instanceof Error ? error.message : String(error)
  const lines = (await readFile(log, 'utf8').catch(() => '')).split('\n')
  const vanished = lines
    .flatMap((line) => /Unable to locate package (\S+)|Package '?([^\s']+)'? has no installation candidate/.exec(line)?.slice(1) ?? [])
    .filter(Boolean)
  if (vanished.length > 0)
    return `Debian no longer has the package ${[...new Set(vanished)].join(', ')}: name its successor in test/lab/setup/packages.ts`
  const telling = lines.filter((line) => /^E:|error|fatal|cannot|failed/i.test(line)).slice(-3)
  return [message, ...telling.map((line) => `  ${line.trim()}`)].join('\n')
}

export async function removeUnfinished(): Promise<void> {
  const entries = await readdir(cacheDir()).catch(() => [])
  for (const entry of entries) {
    const pid = /\.building-(\d+)$/.exec(basename(entry))?.[1]
    if (pid && !existsSync(`/proc/${pid}`)) await rm(join(cacheDir(), entry), { recursive: true, force: true })
  }
}
