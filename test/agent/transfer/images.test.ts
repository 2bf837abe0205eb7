// Sender and receiver over a real socket: growing files, logs, /dev/shm with owners, and everything that must be refused.
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect } from 'chai'
import { encodeHeader, encodeJson } from '../../../src/agent/transfer/frame.ts'
import { type ReceiveTarget, receiveImages } from '../../../src/agent/transfer/image-receiver.ts'
import { ImageSender } from '../../../src/agent/transfer/image-sender.ts'
import { RateLimit } from '../../../src/agent/transfer/rate-limit.ts'
import { type Clock, realClock } from '../../../src/runtime/clock.ts'

describe('images over a socket', () => {
  let base = ''
  let server: net.Server
  let client: net.Socket
  let received: Promise<number>
  const at = (...parts: string[]): string => path.join(base, ...parts)

  beforeEach(async () => {
    base = mkdtempSync(path.join(tmpdir(), 'images-'))
    for (const folder of ['source', 'shm', 'to-shm', 'logs']) mkdirSync(at(folder))
    writeFileSync(at('logs', '0.log'), 'earlier\n')
    const target: ReceiveTarget = {
      containers: ['main'],
      imageFolder: (container) => at('to', container),
      logFile: (container) => (container === 'main' ? at('logs', '0.log') : undefined),
      sharedFolder: () => at('to-shm'),
    }
    const accepted = new Promise<net.Socket>((resolve) => {
      server = net.createServer(resolve)
    })
    await new Promise<void>((resolve) => server.listen(at('sock'), resolve))
    client = net.connect(at('sock'))
    received = accepted.then((socket) => receiveImages(socket, target))
    received.catch(() => undefined)
  })

  afterEach(async () => {
    client.destroy()
    await new Promise((resolve) => server.close(resolve))
    rmSync(base, { recursive: true })
  })

  const folders = (): { container: string; folder: string }[] => [{ container: 'main', folder: at('source') }]

  it('sends what grows while it grows and the rest at the end', async () => {
    const sender = new ImageSender(client)
    const first = Buffer.alloc(3 << 20, 1)
    writeFileSync(at('source', 'pages-1.img'), first)
    writeFileSync(at('source', 'core-1.img'), 'core')
    writeFileSync(at('source', 'empty.img'), '')
    writeFileSync(at('source', 'pages-2.img'), '')
    expect(await sender.sendGrown(folders())).to.equal(first.length)
    appendFileSync(at('source', 'pages-1.img'), Buffer.alloc(1000, 2))
    expect(await sender.sendGrown(folders())).to.equal(0)
    await sender.finish(folders())
    expect(await received).to.equal(first.length + 1004)
    for (const file of ['pages-1.img', 'pages-2.img', 'core-1.img', 'empty.img'])
      expect(readFileSync(at('to', 'main', file)).equals(readFileSync(at('source', file))), file).to.equal(true)
  })

  it("sends criu's pre-dumps ahead, and the dump that leans on them", async () => {
    const sender = new ImageSender(client)
    const limit = new RateLimit(0, realClock)
    for (const round of [1, 2]) {
      mkdirSync(at('source', `pre-${round}`))
      writeFileSync(at('source', `pre-${round}`, 'pages-1.img'), Buffer.alloc(3 << 20, round))
      await sender.sendRound(round, folders(), limit)
    }
    // As criu leaves them.
    symlinkSync('../pre-1', at('source', 'pre-2', 'parent'))
    symlinkSync('pre-2', at('source', 'pre-last'))
    symlinkSync('pre-last', at('source', 'parent'))
    writeFileSync(at('source', 'pages-1.img'), 'the rest')
    await sender.finish(folders())
    expect(await received).to.equal((6 << 20) + 8)
    expect(readFileSync(at('to', 'main', 'pages-1.img'), 'utf8')).to.equal('the rest')
    expect(readFileSync(at('to', 'main', 'parent', 'pages-1.img'))[0]).to.equal(2)
    expect(readFileSync(at('to', 'main', 'parent', 'parent', 'pages-1.img'))[0]).to.equal(1)
  })

  it('has a dump lean on nothing when the rounds ahead were withdrawn', async () => {
    const sender = new ImageSender(client)
    mkdirSync(at('source', 'pre-1'))
    writeFileSync(at('source', 'pre-1', 'pages-1.img'), 'old')
    await sender.sendRound(1, folders(), new RateLimit(0, realClock))
    sender.withdrawRounds()
    await sender.finish(folders())
    await received
    expect(existsSync(at('to', 'main', 'parent'))).to.equal(false)
  })

  it('keeps what goes ahead under the limit', async () => {
    const waited: number[] = []
    const clock = { nowMs: () => 0, sleep: async (ms: number) => void waited.push(ms) } as unknown as Clock
    mkdirSync(at('source', 'pre-1'))
    writeFileSync(at('source', 'pre-1', 'pages-1.img'), Buffer.alloc(3_000_000))
    await new ImageSender(client).sendRound(1, folders(), new RateLimit(8, clock))
    expect(waited.at(-1)).to.be.greaterThan(2000)
  })

  it('names pages that were sent before instead of sending them again', async () => {
    const sender = new ImageSender(client)
    const page = (value: number): Buffer => Buffer.alloc(4096, value)
    const common = Array.from({ length: 300 }, (_, index) => page(index % 251).fill(index >> 8, 0, 8))
    for (const process of [1, 2, 3]) {
      const own = [...common.slice(0, 100), page(250 + process).fill(process, 0, 4), ...common.slice(100), page(99)]
      writeFileSync(at('source', `pages-${process}.img`), Buffer.concat(own))
    }
    await sender.finish(folders())
    await received
    for (const process of [1, 2, 3]) {
      const [sent, arrived] = ['source', 'to/main'].map((folder) => readFileSync(at(folder, `pages-${process}.img`)))
      expect(arrived?.equals(sent as Buffer), `pages-${process}.img`).to.equal(true)
    }
    expect(sender.bytes).to.be.lessThan(310 * 4096)
  })

  it('refuses pages again that were never sent', async () => {
    client.write(Buffer.concat([encodeHeader('again', '7:1:main/pages-1.img', 0)]))
    const error = await received.then(
      () => undefined,
      (reason: Error) => reason,
    )
    expect(error?.message).to.match(/page 7 and 1 from it were never sent/)
  })

  it('appends logs', async () => {
    const sender = new ImageSender(client)
    writeFileSync(at('source-log'), 'one\ntwo\nthree\n')
    await sender.sendLog('main', at('source-log'), 4, 8)
    await sender.sendLog('main', at('source-log'), 8, 14)
    await sender.finish([])
    expect(readFileSync(at('logs', '0.log'), 'utf8')).to.equal('earlier\ntwo\nthree\n')
  })

  it('carries /dev/shm with its modes', async () => {
    const sender = new ImageSender(client)
    writeFileSync(at('shm', 'PostgreSQL.1'), 'segment')
    chmodSync(at('shm', 'PostgreSQL.1'), 0o640)
    await sender.sendShared(at('shm'))
    await sender.finish([])
    expect(readFileSync(at('to-shm', 'PostgreSQL.1'), 'utf8')).to.equal('segment')
    expect(statSync(at('to-shm', 'PostgreSQL.1')).mode & 0o7777).to.equal(0o640)
  })

  it('does not follow a symlink in the destination', async () => {
    writeFileSync(at('victim'), 'untouched')
    symlinkSync(at('victim'), at('to-shm', 'PostgreSQL.1'))
    writeFileSync(at('shm', 'PostgreSQL.1'), 'segment')
    const sender = new ImageSender(client)
    await sender.sendShared(at('shm'))
    const failure = await sender.finish([]).then(() => undefined, String)
    expect(failure).to.include('could not store them')
    expect(readFileSync(at('victim'), 'utf8')).to.equal('untouched')
  })

  it('is refused when something is missing at the end', async () => {
    client.write(encodeHeader('image', 'main/a.img', 3))
    client.write('abc')
    client.write(encodeJson('end', { files: { 'main/a.img': 3, 'main/b.img': 1 } }))
    const failure = await received.then(() => undefined, String)
    expect(failure).to.include('image file main/b.img has 0 bytes, expected 1')
  })

  it('is refused for another container, another folder, another protocol', async () => {
    client.write(encodeHeader('image', 'other/a.img', 0))
    expect(await received.then(() => undefined, String)).to.include('"other" is no container of this migration')
  })

  it('fails when the source goes away', async () => {
    client.write(encodeHeader('image', 'main/a.img', 30))
    client.end()
    client.destroy()
    expect(await received.then(() => undefined, String)).to.include('closed the connection')
  })
})
