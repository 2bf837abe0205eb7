// A whole reception over the wire: who may ask what, the order of steps, the commit, giving up, and another life in between.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { getPriority, setPriority, tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { z } from 'zod'
import { decodeLines, encodeLine } from '../../../src/agent/journal/line.ts'
import type { Moves } from '../../../src/agent/moves.ts'
import type { Peer } from '../../../src/agent/peer/client.ts'
import { Committed, GoesOn, Nothing, Outcome, Restored, Standing } from '../../../src/agent/peer/wire.ts'
import { review, takePriority } from '../../../src/agent/priority.ts'
import type { JournalRecord } from '../../../src/agent/protocol/move.ts'
import { ImageSender } from '../../../src/agent/transfer/image-sender.ts'
import { MoveRecord } from '../../../src/api/agent-wire.ts'
import { awaitRequest, sourceOpened, uid } from '../samples.ts'
import { Destination } from './destination.ts'
import { FakeContainer } from './fake-container.ts'

const podUid = 'pod-2'
const path = (what: string, of = uid): string => `/v1/peer/${of}/${what}`
const anything = z.unknown()

async function codeOf(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => 'no failure',
    (error: { code?: string }) => error.code ?? String(error),
  )
}

describe('receiving a pod', () => {
  let node: Destination
  let container: FakeContainer

  beforeEach(async () => {
    node = new Destination()
    await node.start()
    await node.as('controller').call(`/v1/migrations/${uid}/await`, awaitRequest, MoveRecord)
    container = new FakeContainer(node.meeting())
  })

  afterEach(() => {
    container.close()
    node.stop()
  })

  async function toHeld(): Promise<Restored> {
    const peer = node.as('agent')
    await container.stand()
    node.attach()
    await peer.call(path('standing'), { podUid }, Standing)
    await peer.call(path('arm'), { legs: [], podUid }, anything)
    await arm(peer)
    await peer.call(path('hold'), {}, anything)
    return await peer.call(path('restore'), {}, Restored)
  }

  async function arm(peer: Peer): Promise<void> {
    const folder = imageFolder()
    mkdirSync(folder, { recursive: true })
    writeFileSync(`${folder}/descriptors.json`, '[]')
    await peer.call(path('arm-restore'), { lazy: false }, anything)
  }

  const imageFolder = (): string => `${node.config.runDir}/images/${uid}-destination/main`

  const stateNow = (): string | undefined => node.registry.record(uid)?.state

  it('goes from announced to live, in order', async () => {
    const peer = node.as('agent')
    expect(readFileSync(`${node.meeting()}/../network`, 'utf8')).to.include('ip=10.244.1.5\n')
    const early = await peer.call(path('standing'), { podUid }, Standing)
    expect(early).to.deep.equal({ standing: false, missing: 'the sandbox has no network yet', bundles: {} })
    node.restoredSockets([{ local: 'a:1', remote: 'b:2', state: 'ESTABLISHED', sndSeq: 5, rcvSeq: 6 }])
    const { sockets } = await toHeld()
    expect(sockets.map(({ sndSeq }) => sndSeq)).to.deep.equal([5])
    expect(stateNow()).to.equal('held')
    expect(container.decision).to.equal(undefined)
    const { steps } = await peer.call(path('grant'), { deadlineMs: 5000 }, Committed)
    expect(steps.map(({ step }) => step)).to.deep.equal(['armed', 'held', 'restored', 'committed', 'socketsLive', 'released', 'resumed'])
    expect(container.heard).to.include.members(['go', 'resume'])
    expect(node.told).to.deep.equal(['arm', 'hold', 'release'])
    await settled('live')
    await node.as('controller').call(`/v1/migrations/${uid}/finish`, { outcome: 'committed' }, MoveRecord)
    expect(stateNow()).to.equal('finished')
    expect(node.told).to.deep.equal(['arm', 'hold', 'release', 'settle'])
  })

  it('finishes by itself a pod that has lived for a while: nobody may be left to say so', async () => {
    await toHeld()
    await node.as('agent').call(path('grant'), { deadlineMs: 5000 }, Committed)
    await settled('live')
    await node.registry.sweep()
    expect(stateNow()).to.equal('live')
    const journal = `${node.config.stateDir}/journal/${uid}.jsonl`
    const longAgo = decodeLines(readFileSync(journal, 'utf8')).records.map((record) => ({
      ...record,
      atMs: record.type === 'state' ? 1 : 2,
    }))
    writeFileSync(journal, longAgo.map((record) => encodeLine(record as JournalRecord)).join(''))
    await node.live()
    await node.registry.sweep()
    expect(stateNow()).to.equal('finished')
    expect(node.told).to.include('settle')
  })

  async function settled(state: string, withinMs = 2000): Promise<void> {
    for (let waitedMs = 0; waitedMs < withinMs && stateNow() !== state; waitedMs += 10) await sleep(10)
    expect(stateNow()).to.equal(state)
  }

  it('lets the processes run on while what waited for them is still carried in', async () => {
    await toHeld()
    let carriedIn = (): void => undefined
    node.releaseWaitsFor = new Promise((resolve) => {
      carriedIn = resolve
    })
    const granted = node.as('agent').call(path('grant'), { deadlineMs: 5000 }, Committed)
    for (let tries = 0; tries < 200 && !container.heard.includes('resume'); tries++) await new Promise((resolve) => setTimeout(resolve, 10))
    expect(container.heard).to.include('resume')
    expect(node.registry.record(uid)?.steps.map(({ step }) => step)).to.not.include('resumed')
    carriedIn()
    expect((await granted).steps.map(({ step }) => step)).to.include.members(['released', 'resumed'])
  })

  it('lets the traffic of a pod that lives here in as soon as that can be done, in another life too, and says so until then', async () => {
    await toHeld()
    node.releaseFails = 'ip exited 1'
    const { steps } = await node.as('agent').call(path('grant'), { deadlineMs: 5000 }, Committed)
    expect(steps.map(({ step }) => step))
      .to.include('resumed')
      .and.to.not.include('released')
    const told = (): string[] => node.registry.record(uid)?.warnings ?? []
    for (let tries = 0; tries < 200 && told().length === 0; tries++) await sleep(10)
    expect(told()).to.deep.equal([
      'TrafficHeld: the pod lives on node-2, and no packet reaches it, because letting them in failed (ip exited 1): it is tried until it is done',
    ])
    await sleep(3000)
    expect(stateNow(), 'what was tried five times before').to.equal('committed')
    await node.live()
    expect(stateNow()).to.equal('committed')
    node.releaseFails = undefined
    await settled('live', 5000)
    expect(node.registry.record(uid)?.steps.map(({ step }) => step)).to.include('released')
    expect(told()).to.have.length(1)
  })

  it('waits for no traffic of a pod whose sandbox is gone', async () => {
    await toHeld()
    node.releaseFails = 'ip exited 1'
    await node.as('agent').call(path('grant'), { deadlineMs: 5000 }, Committed)
    node.releaseFails = undefined
    node.hasSandbox = false
    await settled('live', 5000)
    expect(node.registry.record(uid)?.steps.map(({ step }) => step)).to.not.include('released')
  })

  it('answers a second grant as the first, and commits once', async () => {
    await toHeld()
    const peer = node.as('agent')
    await Promise.all([1, 2].map(() => peer.call(path('grant'), { deadlineMs: 5000 }, Committed)))
    expect(container.heard.filter((line) => line === 'go')).to.have.length(1)
    expect((await peer.call(path('outcome'), {}, Outcome)).outcome).to.equal('committed')
    expect(await codeOf(peer.call(path('abort'), { reason: 'late' }, Nothing))).to.equal('WrongState')
  })

  it('never commits after it said never', async () => {
    await toHeld()
    const peer = node.as('agent')
    const { outcome, failure } = await peer.call(path('outcome'), {}, Outcome)
    expect(outcome).to.equal('never')
    expect(failure?.code).to.equal('NeverCommitted')
    expect(await codeOf(peer.call(path('grant'), { deadlineMs: 5000 }, Committed))).to.equal('NeverCommitted')
    for (let tries = 0; tries < 200 && container.decision === undefined; tries++) await new Promise((resolve) => setTimeout(resolve, 10))
    expect(container.decision).to.equal('abort')
    expect(container.heard).to.not.include('go')
  })

  it('commits nothing that was killed at its gate', async () => {
    const child = spawn('sleep', ['100'])
    container.firstPid = child.pid ?? 0
    await toHeld()
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(await codeOf(node.as('agent').call(path('grant'), { deadlineMs: 5000 }, Committed))).to.equal('NeverCommitted')
    expect(node.registry.record(uid)?.failure?.code).to.equal('RestoreLost')
    expect(container.heard).to.not.include('go')
  })

  it('gives back what waits when the source says that it goes on, not when the controller gives the move up', async () => {
    await toHeld()
    const given = node.as('controller').call(`/v1/migrations/${uid}/abort`, { reason: 'the move failed' }, MoveRecord)
    await sleep(300)
    expect(node.registry.record(uid)?.state).to.equal('aborted')
    expect(node.told).to.not.include('undo')
    await node.as('agent').call(path('abort'), { reason: 'rolled back' }, Nothing)
    await given
    expect(node.told.at(-1)).to.equal('undo')
  })

  it('comes first on the processor from the hold until the pod runs', async () => {
    const before = getPriority()
    takePriority({ ...node.config, cgroupDir: '/nonexistent' })
    try {
      review({ list: () => [] } as unknown as Moves)
      expect(getPriority(), 'nobody waits').to.equal(0)
      await toHeld()
      expect(getPriority(), 'held').to.equal(-15)
      await node.as('agent').call(path('grant'), { deadlineMs: 5000 }, Committed)
      expect(getPriority(), 'it runs').to.equal(0)
    } finally {
      setPriority(before)
    }
  })

  it('gives up cleanly when the source says so', async () => {
    await toHeld()
    await node.as('agent').call(path('abort'), { reason: 'test' }, Nothing)
    expect(container.heard).to.include.members(['abort', 'quit'])
    expect(node.told.at(-1)).to.equal('undo')
    expect(existsSync(node.meeting())).to.equal(false)
    expect(node.registry.record(uid)?.failure?.code).to.equal('Aborted')
  })

  it('finishes a commit that another life of the agent began', async () => {
    await toHeld()
    const journal = `${node.config.stateDir}/journal/${uid}.jsonl`
    expect(readFileSync(journal, 'utf8')).to.include('"held"')
    // The agent dies between the record of the commit and its act.
    node.registry.receiver(uid).release = () => new Promise(() => {})
    void node
      .as('agent')
      .call(path('grant'), { deadlineMs: 5000 }, Committed)
      .catch(() => undefined)
    await settled('committed')
    await node.live()
    await settled('live')
    expect(container.heard).to.include.members(['go', 'resume'])
  })

  it('stays the owner when a stand-in dies right after the commit, and lets kubelet start afresh', async () => {
    await toHeld()
    container.diesAtResume = true
    const { steps } = await node.as('agent').call(path('grant'), { deadlineMs: 5000 }, Committed)
    expect(steps.map(({ step }) => step)).to.include.members(['committed', 'released', 'resumed'])
    await settled('live')
    expect(node.told).to.include('release')
    expect(node.registry.record(uid)?.warnings[0]).to.include('After the commit')
    expect(existsSync(`${node.config.stateDir}/restored/shop_cart-7-m1/main`)).to.equal(true)
  })

  it('ends what runs although its criu was killed before it made the sockets live', async () => {
    await toHeld()
    const child = spawn('sleep', ['100'])
    const ended = once(child, 'exit')
    // A stand-in ends as its container does.
    child.once('exit', () => container.close())
    container.runsWithoutGate = child.pid
    await node.as('agent').call(path('grant'), { deadlineMs: 5000 }, Committed)
    expect(await ended).to.deep.equal([null, 'SIGKILL'])
    await settled('live')
    expect(existsSync(`${node.config.stateDir}/restored/shop_cart-7-m1/main`)).to.equal(true)
  })

  it('ends what stands in the middle of a restore whose criu was killed after the gate', async () => {
    const child = spawn('sleep', ['60'])
    container.firstPid = child.pid as number
    container.hangsWithoutGate = true
    await toHeld()
    const ended = once(child, 'exit')
    child.once('exit', () => container.close())
    await node.as('agent').call(path('grant'), { deadlineMs: 5000 }, Committed)
    expect(await ended).to.deep.equal([null, 'SIGKILL'])
    await settled('live')
  })

  it('stays the owner when nothing of the restore is left in its next life', async () => {
    await toHeld()
    node.registry.receiver(uid).release = () => new Promise(() => {})
    void node
      .as('agent')
      .call(path('grant'), { deadlineMs: 5000 }, Committed)
      .catch(() => undefined)
    await settled('committed')
    container.close()
    rmSync(`${node.meeting()}/gate.sock`, { force: true })
    const next = new FakeContainer(node.meeting())
    await next.stand()
    await node.live()
    await settled('live')
    expect(next.heard).to.include('quit')
    expect(existsSync(`${node.config.stateDir}/restored/shop_cart-7-m1/main`)).to.equal(true)
    next.close()
  })

  it('says that no pod goes on here', async () => {
    expect(await node.as('agent').call(path('goes-on'), {}, GoesOn)).to.deep.equal({ goesOn: false })
    expect(await codeOf(node.as('controller').call(path('goes-on'), {}, GoesOn))).to.not.equal('no failure')
  })

  it('takes for the outcome that it is asked whether the pod goes on: nobody resolves it otherwise afterwards', async () => {
    const granted = 'aaaaaaaa-0000-4000-8000-00000000000a'
    const states = (['moving', 'frozen', 'granted'] as const).map((state, at): JournalRecord => ({ type: 'state', atMs: at + 2, state }))
    writeFileSync(`${node.config.stateDir}/journal/${granted}.jsonl`, [sourceOpened, ...states].map(encodeLine).join(''))
    await node.live()
    expect(node.registry.record(granted)?.state).to.equal('granted')
    expect(await node.as('agent').call(path('goes-on', granted), {}, GoesOn)).to.deep.equal({ goesOn: false })
    expect(node.registry.record(granted)?.state).to.equal('committed')
    await node.as('controller').call(`/v1/migrations/${granted}/resolve`, { verdict: 'destinationGone' }, MoveRecord)
    expect(node.registry.record(granted)?.state).to.equal('committed')
  })

  it('gives up what another life was in the middle of', async () => {
    const peer = node.as('agent')
    await container.stand()
    node.attach()
    await peer.call(path('standing'), { podUid }, Standing)
    await peer.call(path('hold'), {}, anything)
    await node.live()
    await settled('aborted')
    expect(node.registry.record(uid)?.failure?.code).to.equal('AgentRestarted')
    expect(container.heard).to.include('quit')
  })

  it('receives images over a stream', async () => {
    const socket = await node.as('agent').open(path('images'))
    const sender = new ImageSender(socket)
    const folder = mkdtempSync(`${tmpdir()}/images-`)
    writeFileSync(`${folder}/inventory.img`, 'seven')
    await sender.finish([{ container: 'main', folder }])
    socket.destroy()
    expect(readFileSync(`${imageFolder()}/inventory.img`, 'utf8')).to.equal('seven')
    rmSync(folder, { recursive: true })
  })

  it('ends what is still being sent when it gives up, and takes no more', async () => {
    const socket = await node.as('agent').open(path('images'))
    const closed = once(socket, 'close')
    await node.as('controller').call(`/v1/migrations/${uid}/abort`, { reason: 'the source is not heard' }, MoveRecord)
    await closed
    expect(await codeOf(node.as('agent').open(path('images')))).to.equal('StreamRefused')
  })

  it('asks for the order that a move has', async () => {
    const peer = node.as('agent')
    expect(await codeOf(peer.call(path('hold'), {}, anything))).to.equal('WrongState')
    expect(await codeOf(peer.call(path('restore'), {}, anything))).to.equal('WrongState')
    expect(await codeOf(peer.call(path('grant'), { deadlineMs: 1 }, anything))).to.equal('NeverCommitted')
  })

  it('lets each certificate do its own part only', async () => {
    for (const name of ['controller', 'scheduler'] as const) {
      expect(await codeOf(node.as(name).call(path('standing'), { podUid }, anything)), name).to.equal('ClientNotAllowed')
      expect(await codeOf(node.as(name).open(path('images'))), name).to.equal('StreamRefused')
    }
    for (const name of ['agent', 'scheduler'] as const)
      expect(await codeOf(node.as(name).call(`/v1/migrations/${uid}/abort`, { reason: 'x' }, anything)), name).to.equal('ClientNotAllowed')
  })

  it('answers peers only for a migration that the controller announced', async () => {
    const peer = node.as('agent')
    const other = 'a0000000-0000-4000-8000-00000000000f'
    expect(await codeOf(peer.call(path('standing', other), { podUid }, anything))).to.equal('UnknownMigration')
    expect(await codeOf(peer.open(path('images', other)))).to.equal('StreamRefused')
    expect((await peer.call(path('outcome', other), {}, Outcome)).outcome).to.equal('never')
    const late = await node.as('controller').call(`/v1/migrations/${other}/await`, awaitRequest, MoveRecord)
    expect(late.state).to.equal('aborted')
  })

  it('checks what comes over the wire', async () => {
    const peer = node.as('agent')
    expect(await codeOf(peer.call(path('standing'), { podUid: '../x' }, anything))).to.equal('InvalidRequest')
    expect(await codeOf(peer.call(path('divert'), { ips: ['10.0.0.1; reboot'], destinationNodeIps: ['10.0.0.2'] }, anything))).to.equal(
      'InvalidRequest',
    )
    expect(await codeOf(peer.call('/v1/peer/..%2f..%2fx/standing', { podUid }, anything))).to.equal('InvalidRequest')
    expect(await codeOf(node.as('controller').call(`/v1/migrations/${uid}/await`, { pod: {} }, anything))).to.equal('InvalidRequest')
    rmSync(node.meeting(), { recursive: true })
  })
})
