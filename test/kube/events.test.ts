// Events: written once, counted afterwards, and never a reason to fail.
import { expect } from 'chai'
import { KubeClient } from '../../src/kube/client.ts'
import { emitEvent } from '../../src/kube/events.ts'
import { eventPath } from '../../src/kube/paths.ts'
import { log } from '../../src/runtime/log.ts'
import { FakeApiServer, type FakeObject } from './fake-api-server.ts'

const subject = { kind: 'Pod', apiVersion: 'v1', metadata: { name: 'cart', namespace: 'shop', uid: 'u1' } }
const text = { type: 'Normal', reason: 'Moving', message: 'moves to worker-2' } as const

describe('events', () => {
  let server: FakeApiServer
  let client: KubeClient
  const written = async () => (await client.list<FakeObject>(eventPath())).items

  before(() => {
    log.level = 'silent'
  })
  after(() => {
    log.level = 'info'
  })
  beforeEach(async () => {
    server = new FakeApiServer()
    client = KubeClient.fromUrl(await server.start())
  })
  afterEach(() => server.stop())

  it('writes an event beside its subject', async () => {
    await emitEvent(client, subject, text)
    const [event] = await written()
    expect(event).to.deep.include({ reason: 'Moving', message: 'moves to worker-2', count: 1, type: 'Normal' })
    expect(event?.metadata.namespace).to.equal('shop')
    expect(event?.involvedObject).to.deep.include({ kind: 'Pod', name: 'cart', namespace: 'shop', uid: 'u1' })
  })

  it('counts the same event up, and tells another message apart', async () => {
    await emitEvent(client, subject, text)
    await emitEvent(client, subject, text)
    await emitEvent(client, subject, { ...text, message: 'moves to worker-3' })
    expect((await written()).map(({ count }) => count)).to.deep.equal([2, 1])
  })

  it('does not count what is told once', async () => {
    await emitEvent(client, subject, { ...text, once: true })
    await emitEvent(client, subject, { ...text, once: true })
    expect((await written()).map(({ count }) => count)).to.deep.equal([1])
  })

  it('puts events of cluster-wide objects into default', async () => {
    await emitEvent(client, { kind: 'Node', apiVersion: 'v1', metadata: { name: 'worker-1' } }, text)
    expect((await written())[0]?.metadata.namespace).to.equal('default')
  })

  it('does not fail when the API server does', async () => {
    server.fault = () => ({ status: 403 })
    await emitEvent(client, subject, text)
    server.fault = () => undefined
    expect(await written()).to.deep.equal([])
  })
})
