// The eviction webhook over HTTP with the words of the API server, the real client and caches behind it.
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import express from 'express'
import { evictionAdmission } from '../../src/descheduler/drain/admission.ts'
import * as paths from '../../src/kube/paths.ts'
import { realClock } from '../../src/runtime/clock.ts'
import { node, pod } from '../extender/cluster.ts'
import { type TestCluster, testCluster } from '../extender/deps.ts'

const migrationPath = paths.podMigrationPath('shop', 'drain-uid-cart')

describe('eviction webhook', () => {
  let cluster: TestCluster
  let server: http.Server

  beforeEach(async () => {
    cluster = await testCluster(realClock)
    cluster.write(paths.nodePath('a'), node('a', { cordoned: true }))
    cluster.write(paths.podPath('shop', 'cart'), pod('shop/cart', { on: 'a' }))
    cluster.write(paths.podPath('shop', 'web'), pod('shop/web', { on: 'a', runtimeClassName: undefined }))
    cluster.write(paths.migrationWebhookConfigPath('default'), {
      spec: {
        unmovable: 'Evict',
        tcpPreservationMode: 'Strict',
        onNonConvergence: 'PostCopy',
        completionTimeoutSeconds: 300,
        freezeWindowBudgetMs: 1500,
      },
    })
    const app = express().use(evictionAdmission(cluster.deps))
    server = await new Promise<http.Server>((resolve) => {
      const listening = app.listen(0, '127.0.0.1', () => resolve(listening))
    })
  })
  afterEach(() => {
    server.close()
    server.closeAllConnections()
    cluster.stop()
  })

  async function evict(name: string, request: object = {}, deleteOptions: object = {}): Promise<any> {
    const body = {
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      request: {
        uid: 'review-1',
        kind: { group: 'policy', version: 'v1', kind: 'Eviction' },
        resource: { group: '', version: 'v1', resource: 'pods' },
        subResource: 'eviction',
        namespace: 'shop',
        name,
        operation: 'CREATE',
        userInfo: { username: 'anna' },
        object: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace: 'shop' }, deleteOptions },
        dryRun: false,
        ...request,
      },
    }
    const { port } = server.address() as AddressInfo
    const answer = await fetch(`http://127.0.0.1:${port}/admit/evictions`, { method: 'POST', body: JSON.stringify(body) })
    expect(answer.status).to.equal(200)
    const review: any = await answer.json()
    expect(review).to.include({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' })
    expect(review.response.uid).to.equal('review-1')
    return review.response
  }

  it('turns it into a PodMigration, once', async () => {
    await cluster.sync()
    const first = await evict('cart')
    expect(first.allowed).to.equal(false)
    expect(first.status).to.deep.equal({
      status: 'Failure',
      code: 429,
      reason: 'TooManyRequests',
      message: 'Eviction triggered evacuation of pod shop/cart: PodMigration shop/drain-uid-cart was created',
    })
    const made = cluster.server.read(migrationPath)
    expect(made?.spec).to.deep.equal({
      podName: 'cart',
      podNamespace: 'shop',
      sourcePodUID: 'uid-cart',
      tcpPreservationMode: 'Strict',
      onNonConvergence: 'PostCopy',
      completionTimeoutSeconds: 300,
      freezeWindowBudgetMs: 1500,
    })
    expect(made?.metadata.annotations).to.deep.equal({ 'podmotion.io/requested-by': 'anna', 'podmotion.io/drained-node': 'a' })
    const second = await evict('cart')
    expect(second.status.message).to.equal(
      'Eviction triggered evacuation of pod shop/cart: PodMigration shop/drain-uid-cart is in phase Pending',
    )
    expect(cluster.server.requests.filter((request) => request.startsWith('POST'))).to.have.length(1)
  })

  it('is content when another replica was faster', async () => {
    await cluster.sync()
    cluster.server.fault = (method) => (method === 'POST' ? { status: 409, reason: 'AlreadyExists' } : undefined)
    expect((await evict('cart')).status).to.include({
      code: 429,
      message: 'Eviction triggered evacuation of pod shop/cart: PodMigration shop/drain-uid-cart exists already',
    })
  })

  it('lets other pods be evicted, also unknown ones', async () => {
    await cluster.sync()
    expect(await evict('web')).to.deep.equal({ uid: 'review-1', allowed: true })
    expect(await evict('nobody')).to.deep.equal({ uid: 'review-1', allowed: true })
  })

  it('changes nothing in a dry run, which it lets pass with a warning', async () => {
    await cluster.sync()
    for (const response of [await evict('cart', { dryRun: true }), await evict('cart', {}, { dryRun: ['All'] })])
      expect(response).to.deep.equal({
        uid: 'review-1',
        allowed: true,
        warnings: ['pod shop/cart would be moved live by PodMigration drain-uid-cart, not evicted'],
      })
    expect(cluster.server.read(migrationPath)).to.equal(undefined)
  })

  it('tells drain that a moved pod is gone', async () => {
    cluster.write(paths.podMigrationPath('shop', 'm'), {
      apiVersion: 'podmotion.io/v1alpha1',
      kind: 'PodMigration',
      spec: { podName: 'cart', podNamespace: 'shop' },
      status: { phase: 'Complete', sourcePodUID: 'uid-cart', committedAt: '2026-05-04T12:00:00Z', destinationNode: 'b' },
    })
    await cluster.sync()
    expect((await evict('cart')).status).to.include({ code: 404, reason: 'NotFound' })
  })

  it('says why a pod is evicted after all', async () => {
    cluster.write(paths.podPath('shop', 'cart'), pod('shop/cart', { on: 'a', spec: { hostNetwork: true } }))
    await cluster.sync()
    const response = await evict('cart')
    expect(response.allowed).to.equal(true)
    expect(response.warnings[0]).to.match(/^pod shop\/cart cannot be moved live \(.+says unmovable: Evict$/)
  })

  it('holds our pods back, and only ours, while it has not read the cluster', async () => {
    expect((await evict('cart')).status).to.include({ code: 429 })
    expect((await evict('web')).allowed).to.equal(true)
  })

  it('holds the pod back when the API server refuses the PodMigration', async () => {
    await cluster.sync()
    cluster.server.fault = (method) => (method === 'POST' ? { status: 500, reason: 'InternalError' } : undefined)
    const { status } = await evict('cart')
    expect(status.code).to.equal(429)
    expect(status.message).to.match(
      /^Moving pod shop\/cart: PodMigration shop\/drain-uid-cart was not created \(.+\): try the eviction again$/,
    )
    // These words would make others believe that a move is under way.
    expect(status.message).to.not.contain('Eviction triggered evacuation')
  })

  it('holds the pod back when the labels of its namespace cannot be read', async () => {
    cluster.write(paths.migrationWebhookConfigPath('default'), {
      spec: { unmovable: 'Evict', namespaceSelector: { matchLabels: { team: 'x' } } },
    })
    await cluster.sync()
    cluster.server.fault = (_method, url) => (url === '/api/v1/namespaces/shop' ? { status: 500 } : undefined)
    expect((await evict('cart')).status).to.include({ code: 429 })
    cluster.server.fault = () => undefined
    cluster.write(paths.namespacePath('shop'), { metadata: { labels: { team: 'x' } } })
    expect((await evict('cart')).status.message).to.contain('Eviction triggered evacuation')
  })

  it('answers within a second when the API server does not', async () => {
    await cluster.sync()
    const { create } = cluster.deps.client
    cluster.deps.client.create = () => new Promise(() => {})
    const startedMs = performance.now()
    const { status } = await evict('cart')
    expect(performance.now() - startedMs).to.be.lessThan(1000)
    expect(status).to.include({ code: 429, message: 'Judging the eviction of pod shop/cart: it takes too long: try again' })
    cluster.deps.client.create = create
  })

  it('refuses what is no AdmissionReview', async () => {
    const { port } = server.address() as AddressInfo
    const answer = await fetch(`http://127.0.0.1:${port}/admit/evictions`, { method: 'POST', body: '{"request":{"uid":""}}' })
    expect(answer.status).to.equal(400)
    expect(((await answer.json()) as any).message).to.match(/^Reading the AdmissionReview: request.uid: /)
  })
})
