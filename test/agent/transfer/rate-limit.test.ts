// The limit on what goes ahead of the freeze.
import { expect } from 'chai'
import { RateLimit } from '../../../src/agent/transfer/rate-limit.ts'
import type { Clock } from '../../../src/runtime/clock.ts'

class TestClock implements Clock {
  ms = 1000
  nowMs(): number {
    return this.ms
  }
  async sleep(ms: number): Promise<void> {
    this.ms += ms
  }
}

describe('the bandwidth limit', () => {
  it('takes as long as the limit says', async () => {
    const clock = new TestClock()
    const limit = new RateLimit(80, clock)
    for (let sent = 0; sent < 11; sent++) await limit.take(1_000_000)
    expect(clock.ms - 1000).to.be.closeTo(1000, 1)
  })

  it('does not save up what was not used', async () => {
    const clock = new TestClock()
    const limit = new RateLimit(80, clock)
    clock.ms += 60_000
    await limit.take(1_000_000)
    await limit.take(1_000_000)
    expect(clock.ms - 61_000).to.be.closeTo(100, 1)
  })

  it('is none at 0', async () => {
    const clock = new TestClock()
    await new RateLimit(0, clock).take(1e12)
    expect(clock.ms).to.equal(1000)
  })

  it('is slow for some time, where nobody set one', async () => {
    const clock = new TestClock()
    const limit = new RateLimit(0, clock)
    limit.pace(80, 500)
    for (let sent = 0; sent < 20; sent++) await limit.take(1_000_000)
    expect(clock.ms - 1000, 'the first five, then all at once').to.be.closeTo(500, 1)
  })

  it('stays what somebody set', async () => {
    const clock = new TestClock()
    const limit = new RateLimit(80, clock)
    limit.pace(8, 60_000)
    limit.endPace()
    await limit.take(1_000_000)
    await limit.take(1_000_000)
    expect(clock.ms - 1000).to.be.closeTo(100, 1)
  })

  it('is slow no longer when the pace ends, or when it is none', async () => {
    const clock = new TestClock()
    const limit = new RateLimit(0, clock)
    limit.pace(8, 60_000)
    limit.endPace()
    await limit.take(1e9)
    limit.pace(0, 60_000)
    await limit.take(1e9)
    expect(clock.ms).to.equal(1000)
    expect(limit.wasPaced).to.equal(true)
    const never = new RateLimit(0, clock)
    never.pace(0, 60_000)
    expect(never.wasPaced).to.equal(false)
  })
})
