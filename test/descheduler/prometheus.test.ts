// Asking Prometheus: the query and the token that are sent, and the answers that are refused.
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { askPrometheus } from '../../src/descheduler/prometheus.ts'
import type { KubeClient } from '../../src/kube/client.ts'
import { messageOf } from '../../src/runtime/errors.ts'

describe('Prometheus', () => {
  let server: http.Server
  let url: string
  let answer: unknown
  let asked: { url: string | undefined; authorization: string | undefined }

  before(async () => {
    server = http.createServer((request, response) => {
      asked = { url: request.url, authorization: request.headers.authorization }
      response.setHeader('content-type', 'application/json').end(JSON.stringify(answer))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/prom`
  })
  after(() => server.close())

  const samples = (...pairs: [string, string][]) => ({
    status: 'success',
    data: { resultType: 'vector', result: pairs.map(([instance, value]) => ({ metric: { instance }, value: [1, value] })) },
  })
  const secrets = {
    get: async () => ({ data: { prometheusAuthToken: Buffer.from('s3cret').toString('base64') } }),
  } as unknown as KubeClient
  const authToken = { secretReference: { namespace: 'monitoring', name: 'token' } }

  it('is asked with the query and the token of the secret', async () => {
    answer = samples(['node-1', '0.25'], ['node-2', '1'])
    const shares = await askPrometheus(secrets, { url, authToken }, 'a > b')
    expect([...shares]).to.deep.equal([
      ['node-1', 0.25],
      ['node-2', 1],
    ])
    expect(asked).to.deep.equal({ url: '/prom/api/v1/query?query=a+%3E+b', authorization: 'Bearer s3cret' })
  })

  const wrong: [string, unknown, RegExp][] = [
    ['a value that is no share', samples(['node-1', '1.5']), /"up": node node-1: expected a value from 0 to 1, got 1\.5/],
    ['a value that is no number', samples(['node-1', 'NaN']), /expected a value from 0 to 1, got NaN/],
    [
      'a sample without a node',
      { status: 'success', data: { resultType: 'vector', result: [{ metric: {}, value: [1, '0'] }] } },
      /instance/,
    ],
    ['a scalar', { status: 'success', data: { resultType: 'scalar', result: [1, '0'] } }, /vector/],
    ['an error', { status: 'error', error: 'no' }, /status/],
  ]
  for (const [what, body, message] of wrong)
    it(`${what} is refused`, async () => {
      answer = body
      expect(await askPrometheus(secrets, { url, authToken }, 'up').catch(messageOf)).to.match(message)
    })
})
