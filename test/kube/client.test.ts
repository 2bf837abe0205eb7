// The client against a real HTTP server: what it sends, and what its errors say.
import { expect } from 'chai'
import { isAlreadyExists, isConflict, isNotFound, KubeClient, type KubeError } from '../../src/kube/client.ts'
import { podMigrationPath, podPath } from '../../src/kube/paths.ts'
import { FakeClock } from '../runtime/fake-clock.ts'
import { FakeApiServer, type FakeObject } from './fake-api-server.ts'

async function failureOf(promise: Promise<unknown>): Promise<KubeError> {
  return promise.then(
    () => expect.fail('did not fail'),
    (error: unknown) => error as KubeError,
  )
}

describe('kube client', () => {
  let server: FakeApiServer
  let client: KubeClient
  let clock: FakeClock

  beforeEach(async () => {
    server = new FakeApiServer()
    clock = new FakeClock()
    client = KubeClient.fromUrl(await server.start(), clock)
  })
  afterEach(() => server.stop())

  it('creates, reads, lists, replaces, patches and deletes', async () => {
    const created = await client.create<FakeObject>(podPath('shop'), { metadata: { name: 'cart' }, spec: { nodeName: 'a' } })
    expect(created.metadata.uid).to.be.a('string')
    expect((await client.get<FakeObject>(podPath('shop', 'cart'))).spec).to.deep.equal({ nodeName: 'a' })
    expect((await client.list<FakeObject>(podPath())).items).to.have.length(1)
    expect((await client.list<FakeObject>(podPath('other'))).items).to.have.length(0)
    const replaced = await client.replace<FakeObject>(podPath('shop', 'cart'), { ...created, spec: { nodeName: 'b' } })
    expect(replaced.spec.nodeName).to.equal('b')
    const patched = await client.mergePatch<FakeObject>(podPath('shop', 'cart'), {
      metadata: { labels: { app: 'x' } },
      spec: { nodeName: null },
    })
    expect(patched.metadata.labels).to.deep.equal({ app: 'x' })
    expect(patched.spec).to.deep.equal({})
    await client.delete(podPath('shop', 'cart'))
    expect(server.read(podPath('shop', 'cart'))).to.equal(undefined)
  })

  it('writes a status without touching the spec', async () => {
    server.write(podMigrationPath('shop', 'move'), { spec: { podName: 'cart' } })
    await client.mergePatch(podMigrationPath('shop', 'move', 'status'), { spec: { podName: 'other' }, status: { phase: 'Pending' } })
    expect(server.read(podMigrationPath('shop', 'move'))).to.deep.include({ spec: { podName: 'cart' }, status: { phase: 'Pending' } })
  })

  it('tells not found, conflict and already exists apart', async () => {
    const stored = server.write(podPath('shop', 'cart'), {})
    const missing = await failureOf(client.get(podPath('shop', 'gone')))
    const stale = await failureOf(client.replace(podPath('shop', 'cart'), { metadata: { resourceVersion: '1' } }))
    const twice = await failureOf(client.create(podPath('shop'), { metadata: { name: 'cart' } }))
    expect([missing, stale, twice].map(isNotFound)).to.deep.equal([true, false, false])
    expect([missing, stale, twice].map(isConflict)).to.deep.equal([false, true, false])
    expect([missing, stale, twice].map(isAlreadyExists)).to.deep.equal([false, false, true])
    expect(missing.message).to.equal('Reading /api/v1/namespaces/shop/pods/gone: API server answered 404 NotFound (fake NotFound)')
    expect(stored.metadata.name).to.equal('cart')
  })

  it('deletes only the object with the given UID', async () => {
    server.write(podPath('shop', 'cart'), { metadata: { uid: 'second' } })
    expect(isConflict(await failureOf(client.delete(podPath('shop', 'cart'), { uid: 'first' })))).to.equal(true)
    expect(server.read(podPath('shop', 'cart'))).not.to.equal(undefined)
    await client.delete(podPath('shop', 'cart'), { uid: 'second' })
    expect(server.read(podPath('shop', 'cart'))).to.equal(undefined)
  })

  it('waits as long as an overloaded API server asks, and then sends again', async () => {
    let refusals = 2
    server.fault = () => (refusals-- > 0 ? { status: 429, reason: 'TooManyRequests', retryAfterSeconds: 3 } : undefined)
    const created = client.create<FakeObject>(podPath('shop'), { metadata: { name: 'cart' } })
    while (server.read(podPath('shop', 'cart')) === undefined) await clock.advance(1000)
    expect((await created).metadata.name).to.equal('cart')
    expect(server.requests).to.have.length(3)
  })

  it('does not repeat a 429 that names no time: a disruption budget said no', async () => {
    server.fault = () => ({ status: 429, reason: 'TooManyRequests' })
    expect((await failureOf(client.create(podPath('shop'), { metadata: { name: 'cart' } }))).status).to.equal(429)
    expect(server.requests).to.have.length(1)
  })

  it('reads once more after a reset, but never writes twice', async () => {
    server.write(podPath('shop', 'cart'), {})
    let resets = 1
    server.fault = () => (resets-- > 0 ? 'reset' : undefined)
    await client.get(podPath('shop', 'cart'))
    expect(server.requests).to.have.length(2)
    resets = 1
    const failure = await failureOf(client.mergePatch(podPath('shop', 'cart'), {}))
    expect(failure).to.include({ code: 'ApiServerUnreachable', retryable: true })
    expect(server.requests).to.have.length(3)
  })

  it('escapes what is not a name', () => {
    expect(podPath('shop', '../secrets/key')).to.equal('/api/v1/namespaces/shop/pods/..%2Fsecrets%2Fkey')
  })
})
