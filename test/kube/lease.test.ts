// Leader election: one at a time, whatever the API server and the clocks do.
import { expect } from 'chai'
import { KubeClient } from '../../src/kube/client.ts'
import { runAsLeader } from '../../src/kube/lease.ts'
import { leasePath } from '../../src/kube/paths.ts'
import { log } from '../../src/runtime/log.ts'
import { FakeClock, settle } from '../runtime/fake-clock.ts'
import { FakeApiServer } from './fake-api-server.ts'

describe('leader election', () => {
  let server: FakeApiServer
  let client: KubeClient
  let clock: FakeClock
  let leaders: string[]
  const ending: AbortController[] = []

  before(() => {
    log.level = 'silent'
  })
  after(() => {
    log.level = 'info'
  })
  beforeEach(async () => {
    server = new FakeApiServer()
    client = KubeClient.fromUrl(await server.start())
    clock = new FakeClock()
    leaders = []
  })
  afterEach(async () => {
    for (const each of ending.splice(0)) each.abort()
    await turn(0)
    server.stop()
  })

  /** Real sockets answer in real time, so each virtual second gets a few real milliseconds. */
  async function turn(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 500) {
      await clock.advance(500)
      await new Promise((resolve) => setTimeout(resolve, 6))
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
    await settle()
  }

  function candidate(identity: string, lead?: (signal: AbortSignal) => Promise<void>) {
    const own = new AbortController()
    ending.push(own)
    const untilTold = (signal: AbortSignal) =>
      new Promise<void>((resolve) => {
        leaders.push(identity)
        const stop = () => {
          leaders.splice(leaders.indexOf(identity), 1)
          resolve()
        }
        signal.addEventListener('abort', stop, { once: true })
      })
    const running = runAsLeader(client, { namespace: 'podmotion', name: 'controller', identity, clock }, own.signal, lead ?? untilTold)
    return { stop: () => own.abort(), running }
  }

  const holder = () => server.read(leasePath('podmotion', 'controller'))?.spec.holderIdentity

  it('lets one lead and renews its lease', async () => {
    candidate('first')
    await turn(0)
    candidate('second')
    await turn(60_000)
    expect(leaders).to.deep.equal(['first'])
    expect(holder()).to.equal('first')
  })

  it('hands over at once when the leader is told to end', async () => {
    const first = candidate('first')
    await turn(0)
    candidate('second')
    await turn(1000)
    first.stop()
    await first.running
    expect(leaders).to.deep.equal([])
    await turn(4000)
    expect(leaders).to.deep.equal(['second'])
  })

  it('takes over from a leader that died, after its time by our own clock', async () => {
    const spec = { holderIdentity: 'dead', leaseDurationSeconds: 15, renewTime: '2099-01-01T00:00:00.000000Z', leaseTransitions: 3 }
    server.write(leasePath('podmotion', 'controller'), { spec })
    candidate('second')
    await turn(13_000)
    expect(leaders).to.deep.equal([])
    await turn(5000)
    expect(leaders).to.deep.equal(['second'])
    expect(server.read(leasePath('podmotion', 'controller'))?.spec.leaseTransitions).to.equal(4)
  })

  it('stops leading before anybody else may start, when the API server is away', async () => {
    candidate('first')
    await turn(1000)
    server.fault = () => ({ status: 503 })
    await turn(8000)
    expect(leaders).to.deep.equal(['first'])
    await turn(4000)
    expect(leaders).to.deep.equal([])
    server.fault = () => undefined
    await turn(5000)
    expect(leaders).to.deep.equal(['first'])
  })

  it('ends the program when its work does not stop', async () => {
    const first = candidate('first', () => new Promise(() => {}))
    await turn(1000)
    const failed = first.running.then(
      () => 'ended',
      (error: unknown) => (error as { code?: string }).code,
    )
    first.stop()
    await turn(6000)
    expect(await failed).to.equal('LeaderDidNotStop')
    expect(holder()).to.equal('first')
  })

  it('gives what the work threw to the caller, and the lease to the next', async () => {
    const first = candidate('first', async () => {
      throw new Error('broken')
    })
    const failure = first.running.catch((error: unknown) => (error as Error).message)
    await turn(1000)
    expect(await failure).to.equal('broken')
    expect(holder()).to.equal('')
  })
})
