// The wire to the agents over real TLS: what is sent, what comes back, and which failures may be tried again.
import type { Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import express from 'express'
import { createAgentClient } from '../../src/migrator/agent-client.ts'
import type { Agents } from '../../src/migrator/agents.ts'
import { CodedError } from '../../src/runtime/errors.ts'
import { requireClient, serveHttps } from '../../src/runtime/tls.ts'
import { type TestAuthority, testAuthority } from '../extender/certificates.ts'
import { inventory, record } from './world.ts'

const uid = 'aaaaaaaa-0000-4000-8000-000000012345'

describe('agent client', () => {
  const ending = new AbortController()
  let authority: TestAuthority
  let server: Server
  let agents: Agents
  let address: string
  let next: { status: number; body: unknown } = { status: 200, body: {} }
  const seen: { method: string; url: string; body: unknown }[] = []

  before(async () => {
    authority = await testAuthority()
    const app = express().use(express.json(), requireClient('podmotion-controller'), (request, response) => {
      seen.push({ method: request.method, url: request.originalUrl, body: request.body })
      response.status(next.status).json(next.body)
    })
    const tlsDir = await authority.issue('podmotion-agent')
    server = await serveHttps(app, { port: 0, host: '127.0.0.1', tlsDir, clientCertificates: 'require' }, ending.signal)
    address = `127.0.0.1:${(server.address() as AddressInfo).port}`
    agents = createAgentClient(await authority.issue('podmotion-controller'))
  })

  after(() => {
    ending.abort()
    server.closeAllConnections()
    authority.remove()
  })

  const failure = async (call: Promise<unknown>): Promise<CodedError> => {
    const error: unknown = await call.then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    if (!(error instanceof CodedError)) throw new Error(`expected a CodedError, got ${String(error)}`)
    return error
  }

  it('reads a record', async () => {
    next = { status: 200, body: record('source', 'frozen') }
    expect(await agents.record(address, uid)).to.deep.equal(record('source', 'frozen'))
    expect(seen.at(-1)).to.include({ method: 'GET', url: `/v1/migrations/${uid}` })
  })

  it('tells an agent that does not know from one that does not answer', async () => {
    next = { status: 404, body: { code: 'UnknownMigration', message: 'no' } }
    expect(await agents.record(address, uid)).to.equal('absent')
    next = { status: 500, body: {} }
    expect(await agents.record(address, uid)).to.equal('unreachable')
    next = { status: 200, body: { state: 'nonsense' } }
    expect(await agents.record(address, uid)).to.equal('unreachable')
    expect(await agents.record('127.0.0.1:1', uid)).to.equal('unreachable')
  })

  it('asks what is kept, and has it removed', async () => {
    next = { status: 200, body: { checkpoints: [] } }
    expect(await agents.checkpoints(address)).to.deep.equal([])
    expect(seen.at(-1)).to.include({ method: 'GET', url: '/v1/checkpoints' })
    next = { status: 404, body: {} }
    expect(await agents.checkpoints(address), 'an agent of before').to.deep.equal([])
    next = { status: 500, body: {} }
    expect(await agents.checkpoints(address)).to.equal('unreachable')
    expect((await failure(agents.removeCheckpoint(address, uid))).retryable).to.equal(true)
    next = { status: 200, body: {} }
    await agents.removeCheckpoint(address, uid)
    expect(seen.at(-1)).to.include({ method: 'DELETE', url: `/v1/checkpoints/${uid}` })
  })

  it('posts each verb with its body', async () => {
    next = { status: 200, body: record('source', 'aborted') }
    await agents.abort(address, uid, 'why')
    expect(seen.at(-1)).to.deep.include({ url: `/v1/migrations/${uid}/abort`, body: { reason: 'why' } })
    await agents.finish(address, uid, 'committed')
    expect(seen.at(-1)).to.deep.include({ url: `/v1/migrations/${uid}/finish`, body: { outcome: 'committed' } })
    await agents.resolve(address, uid, 'destinationGone')
    expect(seen.at(-1)).to.deep.include({ url: `/v1/migrations/${uid}/resolve`, body: { verdict: 'destinationGone' } })
    next = { status: 200, body: inventory }
    const pod = { namespace: 'shop', name: 'cart-7', uid: 'u', ips: ['10.1.0.7'], containers: [{ name: 'main', id: 'x' }], volumes: [] }
    const answer = await agents.inventory(address, uid, { pod, tcpPreservationMode: 'Strict', podCidrs: [], serviceIps: [] })
    expect(answer).to.deep.equal(inventory)
    next = { status: 200, body: {} }
    await agents.putNetwork(address, { nodeIps: ['1.2.3.4'], podCidrs: [], movable: [], moved: [] })
    expect(seen.at(-1)).to.include({ method: 'PUT', url: '/v1/network' })
  })

  it('knows which failures may pass', async () => {
    next = { status: 422, body: { code: 'Unfit', message: 'Moving: no' } }
    expect(await failure(agents.resolve(address, uid, 'committed'))).to.include({ code: 'Unfit', retryable: false })
    next = { status: 409, body: { code: 'WrongState', message: 'later' } }
    expect(await failure(agents.resolve(address, uid, 'committed'))).to.include({ code: 'WrongState', retryable: true })
    next = { status: 503, body: 'x' }
    expect(await failure(agents.resolve(address, uid, 'committed'))).to.include({ retryable: true })
    expect(await failure(agents.resolve('127.0.0.1:1', uid, 'committed'))).to.include({ code: 'AgentUnreachable', retryable: true })
  })

  it('has nothing to end where nothing is known', async () => {
    next = { status: 404, body: { code: 'UnknownMigration', message: 'no' } }
    await agents.abort(address, uid, 'why')
    await agents.finish(address, uid, 'aborted')
  })

  it('is not let in with another name', async () => {
    const stranger = createAgentClient(await authority.issue('somebody'))
    expect(await failure(stranger.resolve(address, uid, 'committed'))).to.include({ code: 'ClientNotAllowed', retryable: false })
  })
})
