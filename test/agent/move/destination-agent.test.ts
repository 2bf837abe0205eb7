// What the source asks the destination, and what an abort of the move ends.
import { expect } from 'chai'
import { DestinationAgent } from '../../../src/agent/move/destination-agent.ts'
import type { CallOptions } from '../../../src/agent/peer/client.ts'
import { moveRequest, uid } from '../samples.ts'

function scene(answers: readonly object[] = [{}]) {
  const asked: { path: string; body: unknown; options: CallOptions }[] = []
  const peer = {
    call: async (path: string, body: unknown, _schema: unknown, options: CallOptions) => {
      asked.push({ path, body, options })
      return answers[Math.min(asked.length, answers.length) - 1]
    },
  }
  const stop = new AbortController()
  return { agent: new DestinationAgent(peer as never, uid, moveRequest.destination, stop.signal), asked, stop }
}

describe("the destination's agent", () => {
  const { now } = performance
  afterEach(() => {
    performance.now = now
  })

  it('is asked until the stand-ins wait', async () => {
    const { agent, asked } = scene([
      { standing: false, missing: 'main' },
      { standing: true, bundles: { main: '/b' } },
    ])
    expect(await agent.standing()).to.deep.include({ bundles: { main: '/b' } })
    expect(asked.map(({ path, body }) => ({ path, body }))).to.deep.equal([
      { path: `/v1/peer/${uid}/standing`, body: { podUid: 'pod-2' } },
      { path: `/v1/peer/${uid}/standing`, body: { podUid: 'pod-2' } },
    ])
  })

  it('is not waited for without an end, and what is missing is said', async () => {
    let nowMs = 0
    performance.now = () => (nowMs += 70_000)
    const { agent } = scene([{ standing: false, missing: 'the container main' }])
    const failure = await agent.standing().catch((error: unknown) => error)
    expect(failure).to.deep.include({ code: 'DestinationNotStanding' })
    expect((failure as Error).message).to.match(/^Waiting for pod cart-7-m1 on node-2: the container main after 120 s/)
  })

  it('is not asked for anything once the move is aborted, but for the commit that was granted', async () => {
    const { agent, asked, stop } = scene()
    await agent.call('arm', {}, {} as never)
    expect(asked[0]?.options.signal).to.equal(stop.signal)
    stop.abort(new Error('cancelled'))
    expect(await agent.standing().catch((error: Error) => error.message)).to.equal('cancelled')
    await agent.grant()
    expect(asked[1]?.path).to.equal(`/v1/peer/${uid}/grant`)
    expect(asked[1]?.options.signal).to.equal(undefined)
  })
})
