// The caches while the controller ends: it is still asked, and must not answer from the past.
import { expect } from 'chai'
import { createCaches, startCaches, unsyncedCaches } from '../src/controller-caches.ts'
import { KubeClient } from '../src/kube/client.ts'
import { podPath } from '../src/kube/paths.ts'
import { FakeApiServer } from './kube/fake-api-server.ts'
import { eventually } from './runtime/fake-clock.ts'

describe('the caches of the controller', () => {
  let server: FakeApiServer
  let client: KubeClient
  let ending: AbortController
  let serving: AbortController

  beforeEach(async () => {
    server = new FakeApiServer()
    client = KubeClient.fromUrl(await server.start())
    ending = new AbortController()
    serving = new AbortController()
  })
  afterEach(() => {
    serving.abort()
    server.stop()
  })

  it('follow the cluster until nobody is answered any more', async () => {
    const caches = createCaches(client)
    await startCaches(caches, ending.signal, serving.signal)
    expect(unsyncedCaches(caches)).to.deep.equal([])
    ending.abort()
    server.write(podPath('shop', 'cart'), {})
    await eventually(() => caches.pods.get('shop', 'cart') !== undefined)
  })

  it('are not waited for by a controller that ends', async () => {
    server.stop()
    const started = startCaches(createCaches(client), ending.signal, serving.signal)
    ending.abort()
    await started
    await startCaches(createCaches(client), ending.signal, serving.signal)
  })
})
