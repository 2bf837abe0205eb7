// What a node is swept of: files of closed moves go, those of open ones and of pods that exist stay, and a dry run touches nothing.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect } from 'chai'
import type { AgentConfig } from '../../../src/agent/config.ts'
import { encodeLine } from '../../../src/agent/journal/line.ts'
import { type NetworkRecord, NetworkRecords } from '../../../src/agent/network/records.ts'
import type { JournalRecord, Move } from '../../../src/agent/protocol/move.ts'
import type { PodNetwork } from '../../../src/agent/rooms.ts'
import { criuMountsIn } from '../../../src/agent/sweep/criu-mounts.ts'
import { sweepAlone, sweepFiles } from '../../../src/agent/sweep/sweep.ts'
import type { MoveState } from '../../../src/api/agent-wire.ts'
import { awaitRequest, destinationMove, moveRequest, sourceMove, sourceOpened, uid } from '../samples.ts'

const state = (to: MoveState): JournalRecord => ({ type: 'state', atMs: 2, state: to })
const settled = (to: MoveState): JournalRecord => ({ type: 'settled', atMs: 3, state: to })
const podUid = moveRequest.pod.uid
const received = `${awaitRequest.pod.namespace}_${awaitRequest.pod.name}`

describe('mounts of a criu that was killed', () => {
  it('are found by their name alone', () => {
    const mountinfo = [
      '25 1 0:22 / /tmp rw - tmpfs tmpfs rw',
      '90 25 0:51 / /tmp/.criu.mntns.vrHOca rw,relatime shared:7 - tmpfs none rw',
      '91 25 0:52 / /tmp/.criu.mntns.vrHOca/9-0000000000 rw - overlay overlay rw',
      '92 25 0:53 / /tmp/.criu.mntns.mine/x rw - tmpfs none rw',
    ]
    expect(criuMountsIn(mountinfo.join('\n'))).to.deep.equal(['/tmp/.criu.mntns.vrHOca'])
  })
})

describe('the sweep', () => {
  let root = ''
  const config = () =>
    ({
      runDir: path.join(root, 'run'),
      stateDir: path.join(root, 'state'),
      kubeletDir: path.join(root, 'kubelet'),
      podLogDir: path.join(root, 'logs'),
      // Finds no traces: those are the whole kernel's, other tests leave some too (traces.test.ts).
      helper: 'false',
    }) as AgentConfig
  const all = () =>
    readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((name) => /^(run|state)\/[^/]+\/[^/]+$/.test(name))
      .toSorted()

  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), 'sweep-'))
    for (const folder of [`run/images/${uid}-source`, `run/work/${uid}-source`, `run/awaited/${received}/main`, 'kubelet/pods', 'logs'])
      mkdirSync(path.join(root, folder), { recursive: true })
    for (const folder of ['run/transport', 'state/moving', `state/restored/${received}`])
      mkdirSync(path.join(root, folder), { recursive: true })
    writeFileSync(path.join(root, 'run/transport', `${uid}.sock`), '')
    writeFileSync(path.join(root, 'state/moving', podUid), `${uid}\n`)
  })
  afterEach(() => rmSync(root, { recursive: true }))

  const sweep = async (moves: Move[], dryRun = false) => await sweepFiles(config(), () => moves, dryRun)

  it('takes what nobody owns, and names it', async () => {
    const { removed, kept } = await sweep([])
    expect(all()).to.deep.equal([])
    expect(kept).to.deep.equal([])
    expect(removed).to.have.length(6)
    expect(removed[0]).to.equal(`images ${path.join(root, 'run/images', `${uid}-source`)} of migration ${uid}`)
  })

  it('touches nothing when it is dry', async () => {
    const before = all()
    expect((await sweep([], true)).removed).to.have.length(6)
    expect(all()).to.deep.equal(before)
  })

  it('leaves an open source everything that is its own', async () => {
    const { removed } = await sweep([sourceMove(state('moving'), state('frozen'))])
    expect(removed.map((what) => what.split(' ')[0])).to.deep.equal(['awaited', 'restored'])
  })

  it('leaves criu’s log of a move that was given up until it is finished', async () => {
    const aborted = [state('moving'), state('aborted'), settled('aborted')]
    await sweep([sourceMove(...aborted)])
    expect(existsSync(path.join(root, 'run/work', `${uid}-source`))).to.equal(true)
    expect(existsSync(path.join(root, 'run/images', `${uid}-source`))).to.equal(false)
    await sweep([sourceMove(...aborted, state('finished'), settled('finished'))])
    expect(existsSync(path.join(root, 'run/work', `${uid}-source`))).to.equal(false)
  })

  it('keeps a pod that has left from being started again for as long as kubelet knows it', async () => {
    const left = sourceMove(state('moving'), state('frozen'), state('granted'), state('committed'), state('finished'), settled('finished'))
    mkdirSync(path.join(root, 'kubelet/pods', podUid))
    await sweep([left])
    expect(existsSync(path.join(root, 'state/moving', podUid))).to.equal(true)
    rmSync(path.join(root, 'kubelet/pods', podUid), { recursive: true })
    await sweep([left])
    expect(existsSync(path.join(root, 'state/moving', podUid))).to.equal(false)
  })

  it('lets a pod start again whose move came to nothing', async () => {
    mkdirSync(path.join(root, 'kubelet/pods', podUid))
    await sweep([sourceMove(state('moving'), state('aborted'), settled('aborted'))])
    expect(existsSync(path.join(root, 'state/moving', podUid))).to.equal(false)
  })

  it('keeps what belongs to a received pod that is still to come, or is there', async () => {
    await sweep([destinationMove()])
    expect(all()).to.include.members([`run/awaited/${received}`, `state/restored/${received}`])
    mkdirSync(path.join(root, 'logs', `${received}_pod-2`))
    await sweep([])
    expect(all()).to.deep.equal([`run/awaited/${received}`, `state/restored/${received}`])
  })

  it('leaves kept images until their time is over, and takes those that nothing speaks of', async () => {
    const [kept, over] = ['aaaaaaaa-0000-4000-8000-00000000000a', 'aaaaaaaa-0000-4000-8000-00000000000b']
    const folder = path.join(root, 'state/checkpoints')
    for (const [of, expiresAtMs] of [
      [kept, Date.now() + 60_000],
      [over, Date.now() - 1],
    ] as const) {
      mkdirSync(path.join(folder, of, 'main'), { recursive: true })
      const what = { uid: of, migrationName: 'shop/cart', podName: 'cart-7', podUid, path: '', sizeBytes: 1, digest: '', keptAtMs: 0 }
      writeFileSync(path.join(folder, `${of}.json`), JSON.stringify({ ...what, phase: 'Ready', expiresAtMs }))
    }
    mkdirSync(path.join(folder, 'cccccccc-0000-4000-8000-00000000000c.part'))
    mkdirSync(path.join(root, 'run/keeping', kept), { recursive: true })
    mkdirSync(path.join(root, 'run/keeping', over), { recursive: true })
    writeFileSync(path.join(folder, 'dddddddd-0000-4000-8000-00000000000d.json.new'), '')
    await sweep([])
    expect(readdirSync(folder).toSorted()).to.deep.equal([kept, `${kept}.json`, 'dddddddd-0000-4000-8000-00000000000d.json.new'])
    expect(readdirSync(path.join(root, 'run/keeping'))).to.deep.equal([kept])
  })

  it('run alone reads the journal, changes nothing in it, and asks the network for the rest', async () => {
    const journal = path.join(root, 'state/journal', `${uid}.jsonl`)
    mkdirSync(path.dirname(journal))
    writeFileSync(journal, `${encodeLine(sourceOpened)}1 torn`)
    const records = new NetworkRecords(config())
    const record = async (of: string, role: NetworkRecord['role']) =>
      await records.write({ uid: of, addresses: [{ ip: '10.244.1.5', previousRoute: null }], role })
    await record(uid, 'source')
    await record('young', 'home')
    await record('closed', 'destination')
    const asked: unknown[] = []
    const network = { sweep: async (...given: unknown[]) => [asked.push(given), 'a route'].map(String).slice(1) } as unknown as PodNetwork
    const { kept, removed } = await sweepAlone(config(), network, true)
    expect(asked).to.deep.equal([[[uid], true]])
    expect(removed).to.include('a route')
    const inUse = [`${uid} (source of 10.244.1.5)`, 'young (home of 10.244.1.5)']
    expect(kept.filter((what) => what.startsWith('network'))).to.have.members(inUse.map((what) => `network record of migration ${what}`))
    expect(readFileSync(journal, 'utf8')).to.match(/1 torn$/)
  })
})
