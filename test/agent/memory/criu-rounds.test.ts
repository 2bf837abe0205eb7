// Rounds by criu's pre-dumps: folders, links, what goes to the destination. criu and the stream are fakes; the files are real.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect } from 'chai'
import { readConfig } from '../../../src/agent/config.ts'
import { CriuRounds } from '../../../src/agent/memory/criu-rounds.ts'
import { catchUp } from '../../../src/agent/memory/pre-copy.ts'
import type { Moves } from '../../../src/agent/moves.ts'
import type { DumpFolders } from '../../../src/agent/runc/checkpoint.ts'
import type { preDump } from '../../../src/agent/runc/pre-dump.ts'
import { RateLimit } from '../../../src/agent/transfer/rate-limit.ts'
import { realClock } from '../../../src/runtime/clock.ts'

const megabyte = 1 << 20

describe("rounds by criu's pre-dumps", () => {
  let base = ''
  let asked: DumpFolders[] = []
  let sent: string[] = []
  /** Of each round, in megabytes; a text: how it fails. */
  let rounds: (number | string)[] = []

  beforeEach(() => {
    base = mkdtempSync(path.join(tmpdir(), 'rounds-'))
    mkdirSync(path.join(base, 'freezer'))
    writeFileSync(path.join(base, 'freezer', 'cgroup.events'), 'frozen 0\n')
    ;[asked, sent, rounds] = [[], [], []]
  })
  afterEach(() => rmSync(base, { recursive: true }))

  const fakeDump: typeof preDump = async (_config, { name }, folders) => {
    asked.push(folders)
    const next = name === 'side' ? 0 : rounds.shift()
    if (typeof next !== 'number') throw new Error(next)
    mkdirSync(folders.images, { recursive: true })
    writeFileSync(path.join(folders.images, 'pages-1.img'), Buffer.alloc(next * megabyte, 7))
    writeFileSync(path.join(folders.images, 'pagemap-1.img'), 'map')
    return { pages: next * 256, bytes: next * megabyte, pauseMs: 1 }
  }

  const fakeImages = {
    sendRound: async (round: number, folders: readonly { container: string; folder: string }[]): Promise<void> => {
      for (const { container, folder } of folders) {
        const content = readFileSync(`${folder}/pre-${round}/pages-1.img`)
        sent.push(`${container} ${round}: ${content.length / megabyte} MB of ${content[0] ?? 'nothing'}`)
      }
    },
    withdrawRounds: () => void sent.push('withdrawn'),
  }

  const container = (name: string) => ({
    name,
    id: name,
    bundle: '/b',
    initPid: 1,
    freezer: { version: 2, folder: path.join(base, 'freezer') } as const,
  })

  const start = async (...names: string[]): Promise<CriuRounds> =>
    await CriuRounds.start({
      moves: { list: () => [] } as unknown as Moves,
      config: readConfig({ NODE_NAME: 'a', NODE_IP: '192.0.2.1' }),
      containers: names.map(container),
      folders: (name) => ({ images: `${base}/images/${name}`, work: `${base}/work/${name}` }),
      images: fakeImages,
      limit: new RateLimit(0, realClock),
      dump: fakeDump,
    })

  it('lean on each other, and the dump on the last one', async () => {
    rounds = [20, 5, 1]
    const memory = await start('main')
    expect(await catchUp(memory, { maximumRounds: 5, thresholdMB: 64 }, new AbortController().signal)).to.equal(
      'converged: 1.0 MB in round 3',
    )
    expect(asked.map(({ images, parent }) => [path.relative(base, images), parent])).to.deep.equal([
      ['images/main/pre-1', undefined],
      ['images/main/pre-2', '../pre-1'],
      ['images/main/pre-3', '../pre-2'],
    ])
    expect(memory.dumpOptions()).to.deep.equal({ parent: 'pre-last' })
    expect(readlinkSync(`${base}/images/main/pre-last`)).to.equal('pre-3')
    expect(memory.rounds.map(({ pages, copiedMB }) => [pages, copiedMB])).to.deep.equal([
      [5120, 20],
      [1280, 5],
      [256, 1],
    ])
    expect(sent).to.deep.equal(['main 1: 20 MB of 7', 'main 2: 5 MB of 7', 'main 3: 1 MB of 7'])
  })

  it('keep no pages on the source that the destination has', async () => {
    rounds = [4]
    await start('main')
    const { size, blocks } = statSync(`${base}/images/main/pre-1/pages-1.img`)
    expect([size, blocks]).to.deep.equal([4 * megabyte, 0])
  })

  it('add the containers up', async () => {
    rounds = [3]
    const memory = await start('main', 'side')
    expect(memory.rounds[0]).to.include({ pages: 768, copiedMB: 3 })
    expect(sent).to.deep.equal(['main 1: 3 MB of 7', 'side 1: 0 MB of nothing'])
  })

  it('are none when the first one is refused', async () => {
    rounds = ['criu says no']
    const failure = await start('main', 'side').then(() => undefined, String)
    expect(failure).to.equal('Error: criu says no')
    expect(sent).to.deep.equal([])
  })

  it('are of no use when a later one fails: the dump leans on nothing, and everybody runs', async () => {
    rounds = [4, 3, 'criu says no']
    const memory = await start('main')
    const reason = await catchUp(memory, { maximumRounds: 9, thresholdMB: 0 }, new AbortController().signal)
    expect(reason).to.equal('round 3 failed, so everything is dumped in the freeze: criu says no')
    expect(memory.broken).to.equal(reason)
    expect(readlinkSync(`${base}/images/main/pre-last`)).to.equal('pre-none')
    expect(existsSync(`${base}/images/main/pre-none/pagemap-1.img`)).to.equal(false)
    expect(sent.at(-1)).to.equal('withdrawn')
    expect(readFileSync(path.join(base, 'freezer', 'cgroup.freeze'), 'utf8')).to.equal('0')
  })
})
