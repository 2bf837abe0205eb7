// The plain HTTP port: kubelet and Prometheus get what they ask for.
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { serveHealth } from '../../src/runtime/health.ts'
import { leading } from '../../src/runtime/metrics.ts'

describe('health port', () => {
  let ending: AbortController
  let missing: string[]
  let url: string

  beforeEach(async () => {
    ending = new AbortController()
    missing = ['pods', 'nodes']
    const server = await serveHealth({ port: 0, notReady: () => missing }, ending.signal)
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterEach(() => ending.abort())

  it('is alive from the start, and ready when nothing is missing', async () => {
    expect((await fetch(`${url}/healthz`)).status).to.equal(200)
    const waiting = await fetch(`${url}/readyz`)
    expect([waiting.status, await waiting.text()]).to.deep.equal([503, 'waiting for: pods, nodes\n'])
    missing = []
    expect((await fetch(`${url}/readyz?verbose`)).status).to.equal(200)
  })

  it('shows metrics, all with our prefix', async () => {
    leading.set(1)
    const text = await (await fetch(`${url}/metrics`)).text()
    expect(text).to.include('podmotion_leading 1')
    const names = text
      .split('\n')
      .filter((line) => line.startsWith('# TYPE '))
      .map((line) => line.split(' ')[2])
    expect(names.filter((name) => !name?.startsWith('podmotion_'))).to.deep.equal([])
  })

  it('says what there is instead of what is not', async () => {
    const answer = await fetch(`${url}/other`)
    expect([answer.status, await answer.text()]).to.deep.equal([404, 'there are /metrics, /healthz and /readyz\n'])
  })
})
