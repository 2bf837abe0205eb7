// The real clock wakes when told to, and the fake one in the order of its sleepers.
import { expect } from 'chai'
import { realClock } from '../../src/runtime/clock.ts'
import { FakeClock } from './fake-clock.ts'

describe('clock', () => {
  it('wakes at once when the signal aborts, before or during the sleep', async () => {
    const startedMs = Date.now()
    await realClock.sleep(60_000, AbortSignal.abort())
    const ending = new AbortController()
    setTimeout(() => ending.abort(), 5)
    await realClock.sleep(60_000, ending.signal)
    expect(Date.now() - startedMs).to.be.lessThan(5000)
  })

  it('sleeps longer than a timer can count without waking at once', async () => {
    const ending = new AbortController()
    let woke = false
    const sleeping = realClock.sleep(2 ** 40, ending.signal).then(() => (woke = true))
    await realClock.sleep(20)
    expect(woke).to.equal(false)
    ending.abort()
    await sleeping
  })

  it('fake: wakes sleepers in order, with the time that each asked for', async () => {
    const clock = new FakeClock(0)
    const woke: string[] = []
    const sleep = (name: string, ms: number) => clock.sleep(ms).then(() => woke.push(`${name} ${clock.nowMs()}`))
    void sleep('late', 30)
    void sleep('soon', 10).then(() => sleep('again', 15))
    await clock.advance(29)
    expect(woke).to.deep.equal(['soon 10', 'again 25'])
    expect(clock.nowMs()).to.equal(29)
    await clock.advance(1)
    expect(woke).to.deep.equal(['soon 10', 'again 25', 'late 30'])
  })
})
