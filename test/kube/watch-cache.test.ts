// The cache against a server whose watches break, expire and lag behind our own writes.
import { expect } from 'chai'
import { KubeClient } from '../../src/kube/client.ts'
import { podPath } from '../../src/kube/paths.ts'
import { WatchCache } from '../../src/kube/watch-cache.ts'
import { eventually, FakeClock } from '../runtime/fake-clock.ts'
import { FakeApiServer, type FakeObject } from './fake-api-server.ts'

describe('watch cache', () => {
  let server: FakeApiServer
  let cache: WatchCache<FakeObject>
  let clock: FakeClock
  let ending: AbortController
  let changes: string[]

  beforeEach(async () => {
    server = new FakeApiServer()
    const client = KubeClient.fromUrl(await server.start())
    clock = new FakeClock()
    ending = new AbortController()
    cache = new WatchCache<FakeObject>(client, podPath(), { clock, random: () => 1 })
    changes = []
    cache.onChange(({ type, object }) => changes.push(`${type} ${object.metadata.name} ${object.spec?.n ?? ''}`.trim()))
    server.write(podPath('shop', 'cart'), { spec: { n: 1 } })
  })
  afterEach(() => {
    ending.abort()
    server.stop()
  })

  const started = async () => {
    await cache.start(ending.signal)
    await eventually(() => server.watches === 1)
  }
  const lists = () => server.requests.filter((request) => request === 'GET /api/v1/pods').length

  it('is synced after the first list and follows from there', async () => {
    expect(cache.synced).to.equal(false)
    await started()
    expect(cache.synced).to.equal(true)
    expect(cache.get('shop', 'cart')?.spec.n).to.equal(1)
    server.write(podPath('shop', 'cart'), { spec: { n: 2 } })
    server.write(podPath('shop', 'till'), {})
    server.remove(podPath('shop', 'cart'))
    await eventually(() => changes.length === 4)
    expect(changes).to.deep.equal(['added cart 1', 'modified cart 2', 'added till', 'deleted cart 2'])
    expect(cache.list().map(({ metadata }) => metadata.name)).to.deep.equal(['till'])
  })

  it('goes on from where a broken watch was, without listing again', async () => {
    await started()
    server.breakWatches()
    server.write(podPath('shop', 'till'), {})
    await eventually(() => clock.sleepers === 1)
    expect(cache.get('shop', 'till')).to.equal(undefined)
    await clock.advance(500)
    await eventually(() => cache.get('shop', 'till') !== undefined)
    expect(lists()).to.equal(1)
  })

  it('does not hammer a server that ends watches at once', async () => {
    await started()
    server.breakWatches(true)
    await eventually(() => clock.sleepers === 1)
    expect(server.watches).to.equal(0)
    await clock.advance(1000)
    await eventually(() => server.watches === 1)
  })

  it('lists again after 410 and tells what it missed', async () => {
    await started()
    server.breakWatches()
    await eventually(() => clock.sleepers === 1)
    server.remove(podPath('shop', 'cart'))
    server.write(podPath('shop', 'till'), {})
    server.compact()
    await clock.advance(500)
    await eventually(() => changes.length === 3)
    expect(changes).to.deep.equal(['added cart 1', 'deleted cart 1', 'added till'])
    expect(lists()).to.equal(2)
  })

  it('backs off when 410 never ends', async () => {
    await started()
    server.oldestVersion = 1_000_000
    server.breakWatches()
    await eventually(() => clock.sleepers === 1)
    await clock.advance(500)
    await eventually(() => clock.sleepers === 1 && lists() === 2)
    await clock.advance(1)
    expect(lists()).to.equal(2)
  })

  it('goes on after a bookmark even when everything before was compacted', async () => {
    await started()
    server.bookmark()
    await new Promise((resolve) => setTimeout(resolve, 20))
    server.oldestVersion = 102
    server.breakWatches()
    await eventually(() => clock.sleepers === 1)
    await clock.advance(500)
    await eventually(() => server.watches === 1)
    expect(lists()).to.equal(1)
  })

  it('keeps trying when the first list fails', async () => {
    server.fault = () => ({ status: 500 })
    const start = cache.start(ending.signal)
    await eventually(() => clock.sleepers === 1)
    expect(cache.synced).to.equal(false)
    server.fault = () => undefined
    await clock.advance(500)
    await start
    expect(cache.synced).to.equal(true)
  })

  it('shows own writes at once, and older news never overwrite them', async () => {
    await started()
    const own = {
      ...cache.get('shop', 'cart'),
      metadata: { ...cache.get('shop', 'cart')?.metadata, resourceVersion: '900' },
      spec: { n: 9 },
    }
    cache.upsert(own)
    server.write(podPath('shop', 'cart'), { spec: { n: 2 } })
    server.write(podPath('shop', 'till'), {})
    await eventually(() => cache.get('shop', 'till') !== undefined)
    expect(cache.get('shop', 'cart')?.spec.n).to.equal(9)
  })

  it('does not bring back what was deleted in the meantime', async () => {
    await started()
    const old = cache.get('shop', 'cart') as FakeObject
    server.remove(podPath('shop', 'cart'))
    await eventually(() => cache.get('shop', 'cart') === undefined)
    cache.upsert({ ...old, metadata: { ...old.metadata, resourceVersion: '900' } })
    expect(cache.get('shop', 'cart')).to.equal(undefined)
  })

  it('ends with its signal', async () => {
    await started()
    ending.abort()
    await eventually(() => server.watches === 0)
    server.write(podPath('shop', 'till'), {})
    expect(cache.get('shop', 'till')).to.equal(undefined)
  })
})
