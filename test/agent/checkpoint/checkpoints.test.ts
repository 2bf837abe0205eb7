// Images that are kept: taken over from a move, on disk with a digest that a person can check, gone with their time, and never on a full disk.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect } from 'chai'
import { type CheckpointPorts, Checkpoints } from '../../../src/agent/checkpoint/checkpoints.ts'
import { noRoomFor } from '../../../src/agent/checkpoint/room.ts'
import { uninstallCheckpoints } from '../../../src/agent/install/install.ts'
import type { KeptCheckpoint, MoveRequest } from '../../../src/api/agent-wire.ts'
import { moveRequest, uid } from '../samples.ts'

const request: MoveRequest = { ...moveRequest, mode: 'Cold', keepCheckpointSeconds: 60 }
const gigabyte = 2 ** 30

describe('room for images', () => {
  it('leaves a fifth of the disk free', () => {
    const disk = { totalBytes: 100 * gigabyte, freeBytes: 30 * gigabyte }
    expect(noRoomFor(10 * gigabyte, disk)).to.equal(undefined)
    expect(noRoomFor(10 * gigabyte + 1, disk)).to.match(/take 10241 MB more, .* has 30720 MB free, of which 20480 MB \(20 %\) stay free/)
  })
})

describe('kept checkpoints', () => {
  let root = ''
  let nowMs = 1000
  let freeBytes = 0
  let paused = 0
  let released: Promise<void> = Promise.resolve()
  const place = () => ({ runDir: path.join(root, 'run'), stateDir: path.join(root, 'state') })
  const images = () => path.join(root, 'run/images', `${uid}-source`)
  const folder = () => path.join(root, 'state/checkpoints')
  const ports: CheckpointPorts = {
    nowMs: () => nowMs,
    space: async () => ({ freeBytes, totalBytes: gigabyte }),
    pause: async () => {
      paused++
      await released
    },
    givingWay: async (work) => await work(),
  }

  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), 'checkpoints-'))
    nowMs = 1000
    freeBytes = gigabyte
    paused = 0
    released = Promise.resolve()
    for (const [container, bytes] of [
      ['main', 3 << 20],
      ['side', 12345],
    ] as const) {
      mkdirSync(path.join(images(), container), { recursive: true })
      writeFileSync(path.join(images(), container, 'pages-1.img'), Buffer.alloc(bytes, container))
      writeFileSync(path.join(images(), container, 'inventory.img'), container)
    }
  })
  afterEach(() => rmSync(root, { recursive: true }))

  async function ended(checkpoints: Checkpoints): Promise<KeptCheckpoint | undefined> {
    for (;;) {
      const [kept] = await checkpoints.list()
      if (kept?.phase !== 'Keeping') return kept
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }

  async function nothingStaged(): Promise<void> {
    while (readdirSync(path.join(root, 'run/keeping')).length > 0) await new Promise((resolve) => setTimeout(resolve, 2))
  }

  it('are whole on disk, for root alone, with the digest that sha256sum gives', async () => {
    const checkpoints = new Checkpoints(place(), ports)
    await checkpoints.take(uid, request, images())
    expect(existsSync(images())).to.equal(false)
    const kept = await ended(checkpoints)
    expect(kept).to.deep.include({ uid, migrationName: 'shop/cart-7', podName: 'cart-7', phase: 'Ready', expiresAtMs: 61_000 })
    expect(kept?.sizeBytes).to.equal((3 << 20) + 12345 + 8)
    const where = path.join(root, 'state', kept?.path ?? '')
    const check = `cd ${where} && find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs sha256sum | sha256sum`
    expect(`sha256:${execFileSync('sh', ['-c', check], { encoding: 'utf8' }).split(' ')[0]}`).to.equal(kept?.digest)
    for (const name of [folder(), where, path.join(where, 'main')]) expect(statSync(name).mode & 0o777).to.equal(0o700)
    expect(statSync(path.join(where, 'main/pages-1.img')).mode & 0o777).to.equal(0o600)
    await nothingStaged()
    expect(paused).to.be.greaterThan(4)
  })

  it('are not begun where the disk has no room, and take no memory either', async () => {
    freeBytes = 0.2 * gigabyte + (3 << 20)
    const checkpoints = new Checkpoints(place(), ports)
    await checkpoints.take(uid, request, images())
    const kept = await ended(checkpoints)
    expect(kept).to.include({ phase: 'Failed', sizeBytes: 0, digest: '' })
    expect(kept?.message).to.match(/^Keeping images: the images take 4 MB more, .*: make room on the node$/)
    expect(readdirSync(folder())).to.deep.equal([`${uid}.json`])
    await nothingStaged()
  })

  it('end when the disk fills up on the way', async () => {
    writeFileSync(path.join(images(), 'main/pages-1.img'), Buffer.alloc(130 << 20))
    let looks = 0
    const filling = { ...ports, space: async () => ({ totalBytes: gigabyte, freeBytes: looks++ === 0 ? gigabyte : 0 }) }
    const checkpoints = new Checkpoints(place(), filling)
    await checkpoints.take(uid, request, images())
    expect(await ended(checkpoints)).to.include({ phase: 'Failed' })
    expect(looks).to.equal(2)
    expect(readdirSync(folder())).to.deep.equal([`${uid}.json`])
  })

  it('go when their time is over, and when somebody says so', async () => {
    const checkpoints = new Checkpoints(place(), ports)
    await checkpoints.take(uid, request, images())
    await ended(checkpoints)
    nowMs = 60_999
    expect(await checkpoints.list()).to.have.length(1)
    nowMs = 61_000
    expect(await checkpoints.list()).to.deep.equal([])
    expect(readdirSync(folder())).to.deep.equal([])

    mkdirSync(images(), { recursive: true })
    await checkpoints.take(uid, request, images())
    await ended(checkpoints)
    await checkpoints.remove(uid)
    expect(readdirSync(folder())).to.deep.equal([])
  })

  it('can be removed while they are copied', async () => {
    let go = (): void => undefined
    released = new Promise((resolve) => {
      go = resolve
    })
    const checkpoints = new Checkpoints(place(), ports)
    await checkpoints.take(uid, request, images())
    while (paused === 0) await new Promise((resolve) => setTimeout(resolve, 2))
    const removed = checkpoints.remove(uid)
    go()
    await removed
    expect(readdirSync(folder())).to.deep.equal([])
    expect(readdirSync(path.join(root, 'run/keeping'))).to.deep.equal([])
  })

  it('are taken up again by the next life of the agent, unless the node lost them', async () => {
    const ending = { ...ports, pause: async () => await new Promise<never>(() => undefined) }
    await new Checkpoints(place(), ending).take(uid, request, images())
    const next = new Checkpoints(place(), ports)
    // The finish of the move came once more.
    await next.take(uid, request, images())
    expect(await ended(next)).to.include({ phase: 'Ready' })

    const other = 'bbbbbbbb-0000-4000-8000-000000000002'
    await next.take(other, request, path.join(root, 'never'))
    const lost = (await next.list()).find((kept) => kept.uid === other)
    expect(lost?.phase === 'Keeping' || lost?.message?.includes('lost them')).to.equal(true)
  })

  it('go with the product', async () => {
    const checkpoints = new Checkpoints(place(), ports)
    await checkpoints.take(uid, request, images())
    await ended(checkpoints)
    await uninstallCheckpoints(place())
    expect(existsSync(folder())).to.equal(false)
    expect(existsSync(path.join(root, 'run/keeping'))).to.equal(false)
  })
})
