import net from 'node:net'
import { expect } from 'chai'
import type { AgentConfig } from '../../../src/agent/config.ts'
import { AcceptQueues } from '../../../src/agent/runc/accept-queues.ts'
import { untilNone } from '../../../src/agent/runc/until-none.ts'
import { nativeHelper } from '../native-helper.ts'

describe('connections that wait to be accepted', () => {
  it('are counted as often as asked', async () => {
    const queues = new AcceptQueues({ helper: nativeHelper() } as AgentConfig, process.pid)
    const server = net.createServer().listen(0, '127.0.0.1')
    try {
      expect(await queues.waiting()).to.equal(0)
      await queues.untilAccepted(10)
      expect(await queues.waiting()).to.equal(0)
    } finally {
      server.close()
      queues.close()
    }
  })

  it('of a process that is gone: an error that says so', async () => {
    const queues = new AcceptQueues({ helper: nativeHelper() } as AgentConfig, 2 ** 22 + 1)
    const error = await queues.waiting().catch((reason: Error) => reason)
    expect(String(error)).to.match(/the helper ended \(.*network namespace/)
  })

  it('are waited for until none is left, or the time is over', async () => {
    let left = 3
    await untilNone(async () => left--, 1000)
    expect(left).to.equal(-1)
    const startMs = performance.now()
    await untilNone(() => 1, 20)
    expect(performance.now() - startMs).to.be.greaterThan(15)
  })
})
