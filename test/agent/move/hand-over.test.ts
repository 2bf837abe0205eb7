// In which order the network goes over, and who is warned.
import { expect } from 'chai'
import { HandOver } from '../../../src/agent/move/hand-over.ts'
import { moveRequest, uid } from '../samples.ts'

const home = { nodeName: 'node-3', address: '172.30.0.3:8090' }

/** `halfOpen`: whose handshakes last. */
function scene(halfOpen: string[] = [], request = { ...moveRequest, home }) {
  const did: string[] = []
  const warnings: string[] = []
  const later = async (what: string): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, 5))
    did.push(what)
  }
  const network = {
    prepareDivert: () => later('prepare source'),
    divert: ({ role }: { role: string }) => later(`divert ${role}`),
    sendNewOn: async () => halfOpen,
  }
  const peers = {
    to: (address: string) => ({ call: (path: string, { ahead }: { ahead?: true }) => later(`${address} ${path} ${ahead ?? false}`) }),
  }
  const destination = { call: (what: string) => later(what).then(() => ({ steps: [] })) }
  const context = { network, peers, moves: { warn: (_uid: string, warning: string) => warnings.push(warning) } }
  const handOver = new HandOver(context as never, uid, request, destination as never, new AbortController().signal)
  return { handOver, did, warnings }
}

describe('handing the network over', () => {
  const toHome = `${home.address} /v1/peer/${uid}/divert`

  it('prepares source and home, of which neither diverts yet', async () => {
    const { handOver, did } = scene()
    await handOver.prepare(7)
    expect(did).to.have.members(['prepare source', `${toHome} true`])
  })

  it('holds on the destination before any route leads there', async () => {
    const { handOver, did } = scene()
    await handOver.divert(7)
    expect(did[0]).to.equal('hold')
    expect(did.slice(1)).to.have.members(['divert source', `${toHome} false`])
  })

  it('asks no home where the source is it', async () => {
    const { handOver, did } = scene([], { ...moveRequest } as never)
    await handOver.prepare(7)
    await handOver.divert(7)
    expect(did).to.deep.equal(['prepare source', 'hold', 'divert source'])
  })

  it('warns of handshakes that it did not wait for, and names a few', async () => {
    const { handOver, warnings } = scene(['10.0.0.1 1', '10.0.0.1 2', '10.0.0.1 3', '10.0.0.1 4', '10.0.0.1 5', '10.0.0.1 6'])
    await handOver.sendNewOn(7)
    expect(warnings).to.deep.equal([
      'Handshakes that took over 300 ms will be reset: 6, of 10.0.0.1 1, 10.0.0.1 2, 10.0.0.1 3, 10.0.0.1 4, 10.0.0.1 5',
    ])
    const quiet = scene()
    await quiet.handOver.sendNewOn(7)
    expect(quiet.warnings).to.deep.equal([])
  })
})
