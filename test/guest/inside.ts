// Runs inside the guest: moves containers from one folder to another by the agent's own code, with real runc and criu on a kernel with
// soft-dirty bits, and asks the programs whether every page is what they wrote.

import { mkdir, readdir, rm, stat, symlink } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { release } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { readConfig } from '../../src/agent/config.ts'
import { CriuRounds } from '../../src/agent/memory/criu-rounds.ts'
import { catchUp } from '../../src/agent/memory/pre-copy.ts'
import { chooseTracker, kernelTrackers } from '../../src/agent/memory/trackers.ts'
import type { Moves } from '../../src/agent/moves.ts'
import { criuEnvironment, type DumpFolders, startHeldDump } from '../../src/agent/runc/checkpoint.ts'
import { freeze } from '../../src/agent/runc/freezer.ts'
import { preDump } from '../../src/agent/runc/pre-dump.ts'
import type { RunningContainer } from '../../src/agent/runc/state.ts'
import { receiveImages } from '../../src/agent/transfer/image-receiver.ts'
import { ImageSender } from '../../src/agent/transfer/image-sender.ts'
import { RateLimit } from '../../src/agent/transfer/rate-limit.ts'
import { realClock } from '../../src/runtime/clock.ts'
import { messageOf } from '../../src/runtime/errors.ts'
import { cases, type GuestCase, programs } from './cases.ts'
import { Container, namespace, run } from './container.ts'

const config = readConfig({ NODE_NAME: 'guest', NODE_IP: '127.0.0.1' })
const base = '/run/podmotion/move'
/** Where the images come to. */
const received = `${base}/received`
const megabyte = 1 << 20
const fakeMoves = { list: () => [] } as unknown as Moves

interface Outcome {
  verdict: string
  roundsMB: number[]
  /** criu's word for how long each round stopped the container. */
  pauses: number[]
  finalMB: number
}

async function main(): Promise<void> {
  await run('ip', ['link', 'set', 'lo', 'up'])
  await run('ip', ['netns', 'add', namespace])
  await run('ip', ['-n', namespace, 'link', 'set', 'lo', 'up'])
  const trackers = await kernelTrackers(config)
  say(`Linux ${release()}: ${JSON.stringify(trackers)}, chosen ${JSON.stringify(chooseTracker('auto', trackers, false))}`)
  let failed = 0
  for (const one of cases) {
    const startedMs = performance.now()
    const outcome = await moveOnce(one).catch((error: unknown) => messageOf(error))
    const problem = typeof outcome === 'string' ? outcome : problemOf(one, outcome)
    if (problem !== undefined) failed++
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(0)
    const numbers = typeof outcome === 'string' ? '' : numbersOf(outcome)
    say(`${problem === undefined ? 'ok' : 'FAILED'} ${one.name} (${seconds} s):${numbers}${problem === undefined ? '' : `: ${problem}`}`)
  }
  say(`${cases.length - failed} passed, ${failed} failed`)
  process.exit(failed === 0 ? 0 : 1)
}

function numbersOf({ roundsMB, finalMB, verdict }: Outcome): string {
  return ` rounds of ${roundsMB.map((size) => size.toFixed(1)).join(', ')} MB, dump of ${finalMB.toFixed(1)} MB; then ${verdict}`
}

function problemOf({ expected, mostFinalMB, leastFinalMB = 0, leastRounds, fault }: GuestCase, outcome: Outcome): string | undefined {
  const { verdict, finalMB, roundsMB, pauses } = outcome
  if (!expected.test(verdict)) return `expected ${expected}`
  if (finalMB > mostFinalMB || finalMB < leastFinalMB) return `expected a dump of ${leastFinalMB} to ${mostFinalMB} MB`
  if (pauses.some((pause) => pause === 0)) return 'criu did not say for how long it stopped the container'
  return roundsMB.length < leastRounds - (fault === 'lost-round' ? 1 : 0) ? `expected ${leastRounds} rounds` : undefined
}

async function moveOnce(one: GuestCase): Promise<Outcome> {
  const { file, args, ready, load, verify } = programs[one.program]
  const [source, destination] = [new Container('source'), new Container('destination')]
  try {
    await source.start(file, args)
    await ready(source)
    await load(source)
    const copied = await copy(one, { ...(await source.read()), name: 'main' })
    await source.end()
    await destination.restore(file, args, `${received}/main`, criuEnvironment(config))
    const first = await verify(destination)
    // It writes on, from where it was.
    await sleep(500)
    return { ...copied, verdict: first.startsWith('ok') ? await verify(destination) : first }
  } catch (error) {
    const logs = await run('sh', ['-c', `tail -n 5 $(find ${base}/work /run/guest -name '*.log') 2>/dev/null`]).catch(() => ({
      stdout: '',
    }))
    throw new Error(`${messageOf(error)}\n${logs.stdout}`)
  } finally {
    await source.end()
    await destination.end()
    await rm(base, { recursive: true, force: true })
  }
}

/** As a move does it (src/agent/move/send.ts): the first round, the dump started and held, the other rounds, freeze, dump. */
async function copy({ fault, leastRounds }: GuestCase, container: RunningContainer): Promise<Omit<Outcome, 'verdict'>> {
  const folders: DumpFolders = { images: `${base}/images/main`, work: `${base}/work/main` }
  const sent = [{ container: 'main', folder: folders.images }]
  const stream = await imageStream(`${base}/stream`)
  const pauses: number[] = []
  const dump: typeof preDump = async (...args) => {
    const dumped = await preDump(...args)
    pauses.push(dumped.pauseMs)
    // criu has marked the pages as seen, and nobody has them.
    if (fault === 'lost-round' && pauses.length === leastRounds) throw new Error('the guest loses this round')
    return dumped
  }
  try {
    const images = new ImageSender(stream.client)
    const limit = new RateLimit(0, realClock)
    const memory = await CriuRounds.start({
      moves: fakeMoves,
      config,
      containers: [container],
      folders: () => folders,
      images,
      limit,
      dump,
    })
    const held = await startHeldDump(config, container, { ...folders, ...memory.dumpOptions() })
    await images.sendDescriptions(sent)
    while (memory.rounds.length < leastRounds && memory.broken === undefined) await memory.round()
    await catchUp(memory, { maximumRounds: 5, thresholdMB: 0 }, new AbortController().signal)
    // It writes on between the last round and the freeze.
    await sleep(1000)
    await freeze([container.freezer])
    await held.go(new AbortController().signal)
    await images.finish(sent)
    await stream.received
    if (fault === 'skipped-round') await skipRound(`${received}/main`, memory.rounds.length)
    return { roundsMB: memory.rounds.map(({ copiedMB }) => copiedMB), pauses, finalMB: await pagesMB(folders.images) }
  } finally {
    stream.close()
  }
}

/** What must not happen: the dump leans on the round before the last one. It shows that the programs would notice. */
async function skipRound(images: string, rounds: number): Promise<void> {
  await rm(`${images}/parent`)
  await symlink(`pre-${rounds - 1}`, `${images}/parent`)
}

async function pagesMB(images: string): Promise<number> {
  const names = (await readdir(images)).filter((name) => /^pages-\d+\.img$/.test(name))
  const sizes = await Promise.all(names.map(async (name) => (await stat(`${images}/${name}`)).size))
  return sizes.reduce((sum, size) => sum + size, 0) / megabyte
}

/** The two agents' stream of images, without the agents. */
async function imageStream(socket: string) {
  await mkdir(received, { recursive: true })
  const server = createServer({ allowHalfOpen: true })
  const complete = new Promise<number>((resolve, reject) => {
    const target = {
      containers: ['main'],
      imageFolder: (container: string) => `${received}/${container}`,
      logFile: () => undefined,
      sharedFolder: () => received,
    }
    server.once('connection', (peer) => receiveImages(peer, target).then(resolve, reject))
  })
  complete.catch(() => undefined)
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  const client = connect(socket)
  const close = (): void => {
    client.destroy()
    server.close()
  }
  return { client, received: complete, close }
}

function say(line: string): void {
  console.log(`guest: ${line}`)
}

void main().catch((error: unknown) => {
  say(`FAILED ${error instanceof Error ? error.stack : error}`)
  process.exit(1)
})
