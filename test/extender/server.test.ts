// The extender over real mutual TLS, with the bodies that kube-scheduler sends and the caches that the controller has.
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'
import express from 'express'
import { explainRoute, extenderView, schedulerAnswers } from '../../src/extender/server.ts'
import * as paths from '../../src/kube/paths.ts'
import { realClock } from '../../src/runtime/clock.ts'
import { registry } from '../../src/runtime/metrics.ts'
import { loadTls, serveHttps } from '../../src/runtime/tls.ts'
import { type TestAuthority, testAuthority } from './certificates.ts'
import { capacity, node, pod, reserving } from './cluster.ts'
import { type TestCluster, testCluster, until } from './deps.ts'

interface Answer {
  status: number
  body: any
}

describe('extender server', () => {
  let authority: TestAuthority
  let cluster: TestCluster
  let ending: AbortController
  let port: number
  let folders: Record<string, string>

  before(async () => {
    authority = await testAuthority()
    folders = {
      scheduler: await authority.issue('podmotion-scheduler'),
      agent: await authority.issue('podmotion-agent'),
      controller: await authority.issue('podmotion-controller'),
    }
  })
  after(() => authority.remove())

  beforeEach(async () => {
    ending = new AbortController()
    cluster = await testCluster(realClock, folders.controller ?? '')
    for (const name of ['a', 'b']) {
      cluster.write(paths.nodePath(name), node(name))
      cluster.write(paths.nodeMigrationCapacityPath(name), capacity(name))
    }
    const view = extenderView(cluster.deps)
    const app = express().use(explainRoute(view))
    const answerScheduler = schedulerAnswers(view)
    const options = { port: 0, host: '127.0.0.1', tlsDir: folders.controller ?? '', clientCertificates: 'request' as const }
    const server = await serveHttps(
      (request, response) => void (answerScheduler(request, response) || app(request, response)),
      options,
      ending.signal,
    )
    port = (server.address() as AddressInfo).port
  })
  afterEach(() => {
    ending.abort()
    cluster.stop()
  })

  async function call(method: string, path: string, body?: unknown, client: string | undefined = 'scheduler'): Promise<Answer> {
    const own = loadTls(folders.controller ?? '')
    const { cert, key } = client ? loadTls(folders[client] ?? '') : { cert: undefined, key: undefined }
    const response = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
      https
        .request(
          { host: '127.0.0.1', port, path, method, ca: own.ca, cert, key, servername: 'podmotion-controller', agent: false },
          resolve,
        )
        .on('error', reject)
        .end(body === undefined ? undefined : JSON.stringify(body))
    })
    const answered = await text(response)
    return { status: response.statusCode ?? 0, body: JSON.parse(answered) }
  }

  const args = (asked: object | null, NodeNames: string[] | null, Nodes: object | null = null) => ({ Pod: asked, Nodes, NodeNames })

  it('has no opinion until the caches have been read, and counts that', async () => {
    const filtered = await call('POST', '/filter', args(pod('shop/cart'), ['a', 'b']))
    expect(filtered.body).to.deep.equal({ Nodes: null, NodeNames: ['a', 'b'], FailedNodes: {}, FailedAndUnresolvableNodes: {}, Error: '' })
    const scored = await call('POST', '/prioritize', args(pod('shop/cart'), ['a', 'b']))
    expect(scored.body).to.deep.equal([
      { Host: 'a', Score: 0 },
      { Host: 'b', Score: 0 },
    ])
    expect(await registry.getSingleMetricAsString('podmotion_extender_neutral_answers_total')).to.match(
      /verb="filter",reason="not-ready"\} 1/,
    )
  })

  it('filters and scores by name, and follows the caches', async () => {
    await cluster.sync()
    const asked = args(pod('shop/web', { cpu: '2', runtimeClassName: undefined }), ['a', 'b'])
    expect((await call('POST', '/filter', asked)).body.NodeNames).to.deep.equal(['a', 'b'])
    cluster.write(paths.podMigrationPath('shop', 'm'), reserving('shop/m', 'cart', 'b', 3000))
    const reserved = await until(
      async () => (await call('POST', '/filter', asked)).body,
      ({ NodeNames }) => NodeNames.length === 1,
    )
    expect(reserved.NodeNames).to.deep.equal(['a'])
    expect(Object.keys(reserved.FailedNodes)).to.deep.equal(['b'])
    cluster.server.remove(paths.podMigrationPath('shop', 'm'))
    await until(
      async () => (await call('POST', '/filter', asked)).body,
      ({ NodeNames }) => NodeNames.length === 2,
    )
    const scores = (await call('POST', '/prioritize', args(pod('shop/cart', { cpu: '1' }), ['a', 'b']))).body
    expect(scores.map(({ Host }: { Host: string }) => Host)).to.deep.equal(['a', 'b'])
    expect(scores[0].Score).to.be.greaterThan(0)
  })

  it('gives node objects back when it was sent node objects', async () => {
    await cluster.sync()
    const { body } = await call('POST', '/filter', args(pod('shop/cart'), null, { items: [node('a'), node('stranger')] }))
    expect(body.NodeNames).to.equal(null)
    expect(body.Nodes.items).to.deep.equal([node('a')])
    expect(Object.keys(body.FailedAndUnresolvableNodes)).to.deep.equal(['stranger'])
  })

  it('takes the 5000 names of a large cluster', async () => {
    await cluster.sync()
    const names = Array.from({ length: 5000 }, (_none, number) => `node-with-a-long-name-${number}.zone-a.example.internal`)
    expect((await call('POST', '/filter', args(pod('shop/web', { runtimeClassName: undefined }), names))).body.NodeNames).to.deep.equal(
      names,
    )
  })

  it('answers the scheduler only', async () => {
    for (const client of ['agent', ''] as const)
      for (const path of ['/filter', '/prioritize']) {
        const { status, body } = await call('POST', path, args(pod('shop/cart'), ['a']), client)
        expect(status, `${client} ${path}`).to.equal(403)
        expect(body.message).to.contain('podmotion-scheduler')
      }
  })

  it('refuses what is no ExtenderArgs', async () => {
    const { status, body } = await call('POST', '/filter', { NodeNames: 'a' })
    expect(status).to.equal(400)
    expect(body.Error).to.match(/^Reading ExtenderArgs: NodeNames: /)
  })

  it('explains a pod', async () => {
    cluster.write(paths.podPath('shop', 'cart'), pod('shop/cart', { on: 'a' }))
    await cluster.sync()
    const { body } = await call('GET', '/explain?pod=shop/cart', undefined, 'agent')
    const order = body.destinations.map(({ nodeName, fits }: { nodeName: string; fits: boolean }) => `${nodeName} ${fits}`)
    expect(body.runsOn).to.equal('a')
    // The agents' reports of the test are years old by the real clock.
    expect(order).to.have.members(['a false', 'b false'])
    expect(body.destinations.find(({ nodeName }: { nodeName: string }) => nodeName === 'b').reasons[0].code).to.equal('AgentAway')
    expect((await call('GET', '/explain?pod=shop/none')).status).to.equal(404)
    expect((await call('GET', '/explain?pod=shop')).status).to.equal(400)
  })
})
