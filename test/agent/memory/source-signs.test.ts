// Is the node that has the rest of a pod's memory there, and when is it given up?
import net from 'node:net'
import { expect } from 'chai'
import { isLost, kernelAnswers, type Lease, type Sighting, sight } from '../../../src/agent/memory/source-signs.ts'

describe('signs of life of a source', () => {
  /** One look a second; the second in which it is given up. */
  function lostAfter(looks: readonly { answers: boolean; lease: Lease }[]): number | undefined {
    let seen: Sighting = { aliveAtMs: 0, lease: looks[0]?.lease }
    for (const [second, look] of looks.entries()) {
      seen = sight(seen, { ...look, atMs: second * 1000 })
      if (isLost(seen, second * 1000)) return second
    }
    return undefined
  }
  const seconds = (count: number, look: (second: number) => { answers: boolean; lease: Lease }) =>
    Array.from({ length: count }, (_, at) => look(at))

  const cases: [string, ReturnType<typeof seconds>, number | undefined][] = [
    ['a destroyed node is given up after 12 s', seconds(60, (at) => ({ answers: at < 3, lease: '7' })), 14],
    ['and one whose lease went with its Node object', seconds(60, (at) => ({ answers: at < 3, lease: at < 5 ? '7' : undefined })), 14],
    ['a kernel that answers is enough, whoever is stopped above it', seconds(600, () => ({ answers: true, lease: '7' })), undefined],
    [
      'so is a kubelet that renews its lease, though nothing goes between the nodes',
      seconds(600, (at) => ({ answers: false, lease: String(Math.floor(at / 10)) })),
      undefined,
    ],
    ['nobody is given up by a node that is cut off itself', seconds(600, () => ({ answers: false, lease: 'unknown' })), undefined],
    ['a pause of ten seconds is none', seconds(600, (at) => ({ answers: at % 11 === 0, lease: '7' })), undefined],
    ['the time begins when the API server is back', seconds(60, (at) => ({ answers: false, lease: at < 20 ? 'unknown' : '7' })), 32],
  ]
  for (const [what, looks, expected] of cases) it(what, () => expect(lostAfter(looks)).to.equal(expected))

  it('hear a listener that never accepts, and a refusal', async () => {
    const server = net.createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as net.AddressInfo
    expect(await kernelAnswers(`127.0.0.1:${port}`)).to.equal(true)
    await new Promise((resolve) => server.close(resolve))
    expect(await kernelAnswers(`127.0.0.1:${port}`)).to.equal(true)
    expect(await kernelAnswers(`[::1]:${port}`)).to.equal(true)
  })

  it('hear nothing where no way leads', async () => expect(await kernelAnswers('255.255.255.255:9')).to.equal(false)).timeout(5000)
})
