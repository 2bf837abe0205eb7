// What is left of an attempt to send a pod when it is over.
import { getEventListeners } from 'node:events'
import { expect } from 'chai'
import type { AgentContext } from '../../../src/agent/context.ts'
import type { Lending } from '../../../src/agent/memory/lending.ts'
import { Sending } from '../../../src/agent/move/send.ts'

describe('sending a pod', () => {
  it('is let go when it is closed, by the signal that outlives it too', () => {
    const pod = { namespace: 'shop', name: 'db-0', uid: 'u', containers: [] }
    const request = { pod, destination: { address: '10.0.0.2:8090' }, bandwidthLimitMbps: 0 }
    const context = {
      config: { podLogDir: '/var/log/pods' },
      moves: { source: () => ({ request }) },
      peers: { to: () => ({}) },
    } as unknown as AgentContext
    const { signal } = new AbortController()
    const sending = new Sending(context, 'm', signal, {} as Lending)
    expect(getEventListeners(signal, 'abort')).to.have.length(1)
    sending.close()
    expect(getEventListeners(signal, 'abort')).to.deep.equal([])
  })
})
