// kubectl podmotion plan: the parts of each node's score for a pod, and a plan for the cluster as it is.
import { expect } from 'chai'
import { KubeClient } from '../../src/kube/client.ts'
import * as paths from '../../src/kube/paths.ts'
import { runPlugin } from '../../src/plugin/program.ts'
import { capacity, node, nowMs, pod } from '../extender/cluster.ts'
import { FakeApiServer, type FakeObject } from '../kube/fake-api-server.ts'

describe('kubectl podmotion plan', () => {
  let server: FakeApiServer
  let url: string

  beforeEach(async () => {
    server = new FakeApiServer()
    url = await server.start()
    const write = (path: string, object: object) => void server.write(path, object as Partial<FakeObject>)
    for (const name of ['a', 'b', 'c']) {
      write(paths.nodePath(name), node(name, { cordoned: name === 'c' }))
      write(paths.nodeMigrationCapacityPath(name), capacity(name))
    }
    for (const number of [1, 2]) write(paths.podPath('shop', `p-${number}`), pod(`shop/p-${number}`, { on: 'a', cpu: '1', memory: '1Gi' }))
  })
  afterEach(() => server.stop())

  async function run(line: string) {
    let [out, err] = ['', '']
    const exitCode = await runPlugin(line.split(' '), {
      clock: { nowMs: () => nowMs, sleep: async () => undefined },
      out: (text) => {
        out += text
      },
      err: (text) => {
        err += text
      },
      read: async () => '',
      connect: () => ({ client: KubeClient.fromUrl(url), namespace: 'shop' }),
      interrupted: new AbortController().signal,
    })
    return { exitCode, out, err }
  }

  it('shows every node for a pod, with the parts of its score and what is against it', async () => {
    const { exitCode, out } = await run('plan p-1')
    expect(exitCode).to.equal(0)
    const lines = out.split('\n')
    expect(lines[0]).to.equal('pod shop/p-1 runs on a')
    expect(lines[1]).to.match(/^NODE +FITS +SCORE +ROOM +USAGE +SPREAD +BALANCE +HISTORY +MOVE-COST +COMPATIBILITY$/)
    expect(lines[2]).to.match(/^b +yes +\d+ +7\.5 +7\.5 +10 +/)
    expect(out).to.contain('c: Cordoned: the node is cordoned')
    expect(out).to.contain('a: SourceNode: the pod runs there already')
  })

  it('plans the cluster as it is', async () => {
    const { exitCode, out, err } = await run('plan --seconds 1')
    expect(err).to.equal('')
    expect(exitCode).to.equal(0)
    expect(out).to.match(/^1 +shop\/p-[12] +a +b +1\.00$/m)
    expect(out).to.contain('Moves: 1, 1 GiB')
  })

  it('says what is wrong with a goal', async () => {
    expect((await run('plan --goal tidy')).err).to.equal(
      'error: Reading --goal: "tidy" is no goal: expected balance, consolidate or evacuate=NODE,NODE,…\n',
    )
    expect((await run('plan --goal evacuate=x,a,y')).err).to.equal(
      'error: Reading --goal: evacuate=x,y: no such node is known: the nodes are a, b, c\n',
    )
    expect((await run('plan nobody')).err).to.contain('namespace shop has no such pod')
  })
})
