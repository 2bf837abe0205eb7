import net from 'node:net'
import { expect } from 'chai'
import { PodTcp } from '../../src/agent/pod-tcp.ts'
import { untilNone } from '../../src/agent/runc/until-none.ts'
import { nativeHelper } from './native-helper.ts'

describe('the TCP sockets of a pod', () => {
  it('are asked as often as wanted, by all that ask for the same pod', async () => {
    const tcp = PodTcp.of(nativeHelper(), process.pid)
    const server = net.createServer().listen(0, '127.0.0.1')
    try {
      expect(await tcp.waiting()).to.equal(0)
      await tcp.untilAccepted(10)
      expect(await tcp.waiting()).to.equal(0)
    } finally {
      server.close()
      tcp.close()
    }
  })

  it('are asked of a helper that is let go with the move, and of another one afterwards', async () => {
    const before = PodTcp.of(nativeHelper(), process.pid)
    expect(PodTcp.of(nativeHelper(), process.pid)).to.equal(before)
    PodTcp.forget(process.pid)
    const after = PodTcp.of(nativeHelper(), process.pid)
    expect(after).to.not.equal(before)
    expect(await Promise.all([after.waiting(), after.halfOpen(), after.sockets()])).to.deep.equal([0, 0, await after.sockets()])
    after.close()
  })

  it('of a process that is gone: an error that says so', async () => {
    const tcp = PodTcp.of(nativeHelper(), 2 ** 22 + 1)
    const error = await tcp.waiting().catch((reason: Error) => reason)
    expect(String(error)).to.match(/the helper ended \(.*network namespace/)
  })

  it('are waited for until none is left, or the time is over', async () => {
    let left = 3
    expect(await untilNone(async () => left--, 1000)).to.equal(true)
    expect(left).to.equal(-1)
    const startMs = performance.now()
    expect(await untilNone(() => 1, 20)).to.equal(false)
    expect(performance.now() - startMs).to.be.greaterThan(15)
  })
})
