// Another agent is told that a move is over for as long as it may have to know, and not longer.
import { expect } from 'chai'
import { tellPeer } from '../../../src/agent/move/tell-peer.ts'
import type { Peer } from '../../../src/agent/peer/client.ts'
import { FakeClock } from '../../runtime/fake-clock.ts'

describe('telling another agent', () => {
  /** The times, in milliseconds, at which it was asked that is away for so long. */
  async function told({ awayMs, forMs }: { awayMs: number; forMs: number }): Promise<number[]> {
    const clock = new FakeClock(0)
    const asked: number[] = []
    const call = async (): Promise<object> => {
      asked.push(clock.nowMs())
      if (clock.nowMs() < awayMs) throw new Error('nobody listens')
      return {}
    }
    const peers = { to: () => ({ call }) as unknown as Peer }
    const telling = tellPeer(peers, { address: 'home:8090', path: '/v1/peer/m1/divert', body: {}, forMs }, clock)
    await clock.advance(forMs + 10_000)
    await telling
    return asked
  }

  it('goes on until it has heard', async () => {
    expect(await told({ awayMs: 0, forMs: 600_000 })).to.deep.equal([0])
    const asked = await told({ awayMs: 120_000, forMs: 600_000 })
    expect(asked.at(-1)).to.be.within(120_000, 125_000)
    expect(asked[1], 'at first soon again').to.equal(200)
  })

  it('ends when nobody waits for it any more', async () => {
    const asked = await told({ awayMs: Number.POSITIVE_INFINITY, forMs: 20_000 })
    expect(asked.at(-1)).to.be.within(15_000, 20_000)
  })
})
