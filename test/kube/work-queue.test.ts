// The queue: once in line, never twice at once, later and later after failures.
import { expect } from 'chai'
import { WorkQueue } from '../../src/kube/work-queue.ts'
import { log } from '../../src/runtime/log.ts'
import { FakeClock, settle } from '../runtime/fake-clock.ts'

describe('work queue', () => {
  let clock: FakeClock
  let queue: WorkQueue
  let ending: AbortController
  let handled: string[]

  before(() => {
    log.level = 'silent'
  })
  after(() => {
    log.level = 'info'
  })
  beforeEach(() => {
    clock = new FakeClock()
    queue = new WorkQueue({ clock, baseBackoffMs: 100, maxBackoffMs: 1000, random: () => 0.999999 })
    ending = new AbortController()
    handled = []
  })
  afterEach(() => ending.abort())

  const run = (handler: (key: string) => Promise<{ requeueAfterMs?: number } | undefined> = async () => undefined, concurrency = 2) =>
    queue.run(
      (key) => {
        handled.push(key)
        return handler(key)
      },
      { concurrency, signal: ending.signal },
    )

  it('handles each key once, in order', async () => {
    for (const key of ['a', 'b', 'a', 'c', 'b']) queue.add(key)
    void run()
    await settle()
    expect(handled).to.deep.equal(['a', 'b', 'c'])
  })

  it('never handles a key twice at once, and again when it was asked for meanwhile', async () => {
    let release = () => {}
    void run(() => new Promise((resolve) => (release = () => resolve(undefined))))
    queue.add('a')
    await settle()
    queue.add('a')
    queue.add('a')
    await settle()
    expect(handled).to.deep.equal(['a'])
    release()
    await settle()
    expect(handled).to.deep.equal(['a', 'a'])
    release()
    await settle()
    expect(handled).to.have.length(2)
  })

  it('handles different keys side by side, up to the limit', async () => {
    void run(() => new Promise(() => {}))
    for (const key of ['a', 'b', 'c']) queue.add(key)
    await settle()
    expect(handled).to.deep.equal(['a', 'b'])
  })

  it('waits for the earliest of several times', async () => {
    void run()
    queue.addAfter('a', 500)
    queue.addAfter('a', 200)
    queue.addAfter('a', 900)
    await clock.advance(199)
    expect(handled).to.deep.equal([])
    await clock.advance(1)
    expect(handled).to.deep.equal(['a'])
    await clock.advance(1000)
    expect(handled).to.deep.equal(['a'])
  })

  it('comes back when the handler wishes it', async () => {
    void run(async () => (handled.length < 3 ? { requeueAfterMs: 50 } : undefined))
    queue.add('a')
    await clock.advance(49)
    expect(handled).to.have.length(1)
    await clock.advance(1000)
    expect(handled).to.have.length(3)
  })

  it('backs off after failures, up to the cap, and forgets them after a success', async () => {
    let fails = true
    const atMs: number[] = []
    void run(async () => {
      atMs.push(clock.nowMs())
      if (fails) throw new Error('no')
      return undefined
    })
    queue.add('a')
    await clock.advance(5000)
    const gaps = atMs.slice(1).map((ms, index) => Math.round(ms - (atMs[index] as number)))
    expect(gaps.slice(0, 6)).to.deep.equal([100, 200, 400, 800, 1000, 1000])
    fails = false
    await clock.advance(1000)
    fails = true
    atMs.length = 0
    queue.add('a')
    await clock.advance(150)
    expect(atMs).to.have.length(2)
  })

  it('ends after its handlers have ended', async () => {
    let release = () => {}
    let ended = false
    const running = run(() => new Promise((resolve) => (release = () => resolve(undefined))))
    void running.then(() => (ended = true))
    queue.add('a')
    await settle()
    ending.abort()
    queue.add('b')
    await settle()
    expect(ended).to.equal(false)
    release()
    await running
    expect(handled).to.deep.equal(['a'])
  })
})
