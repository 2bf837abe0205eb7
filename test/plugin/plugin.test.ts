// The commands against the small API server: what they create, what they print, their exit codes.
import { expect } from 'chai'
import { KubeClient } from '../../src/kube/client.ts'
import { podMigrationPath, podPath } from '../../src/kube/paths.ts'
import { runPlugin } from '../../src/plugin/program.ts'
import type { Terminal } from '../../src/plugin/terminal.ts'
import { FakeApiServer, type FakeObject } from '../kube/fake-api-server.ts'

const nowMs = Date.parse('2026-01-01T00:10:00Z')

const policy = `apiVersion: podmotion.io/v1alpha1
kind: MigrationPolicy
metadata: { name: tidy }
spec: { strategies: [{ name: RemoveDuplicates, removeDuplicates: {} }] }`

describe('kubectl podmotion', () => {
  let server: FakeApiServer
  let url: string
  let chosen: unknown

  beforeEach(async () => {
    server = new FakeApiServer()
    url = await server.start()
  })
  afterEach(() => server.stop())

  /** Runs one command line; `sleep` is what the cluster does while the plugin waits. */
  const run = async (line: string, sleep: () => Promise<void> = async () => undefined) => {
    let [out, err] = ['', '']
    let slept = 0
    const terminal: Terminal = {
      clock: {
        nowMs: () => nowMs + slept * 1000,
        sleep: async () => {
          slept++
          await sleep()
        },
      },
      out: (text) => {
        out += text
      },
      err: (text) => {
        err += text
      },
      read: async () => policy,
      connect: (choice) => {
        chosen = choice
        return { client: KubeClient.fromUrl(url), namespace: 'shop' }
      },
      interrupted: new AbortController().signal,
    }
    const exitCode = await runPlugin(line.split(' '), terminal)
    return { exitCode, out, err }
  }

  const put = (name: string, status: object = {}, spec: object = {}) =>
    server.write(podMigrationPath('shop', name), {
      metadata: { creationTimestamp: '2026-01-01T00:00:00Z' },
      spec: { podName: 'cart-7', podNamespace: 'shop', mode: 'PreCopy', tcpPreservationMode: 'Strict', ...spec },
      status,
    })
  const migrations = async () => (await KubeClient.fromUrl(url).list<FakeObject>(podMigrationPath('shop'))).items
  const endWith = (status: object) => async () => {
    for (const item of await migrations()) server.write(podMigrationPath('shop', item.metadata.name), { ...item, status })
  }

  it('migrates: Strict by default, with every option where the API has it', async () => {
    const { exitCode, out } = await run(
      'migrate cart-7 --to-node nb --strategy Cold --bandwidth-mbps 100 --freeze-budget-ms 900 --on-non-convergence Abort --timeout 60',
    )
    expect(exitCode).to.equal(0)
    expect(out).to.match(/^podmigration\.podmotion\.io\/cart-7-\w+ created\n$/)
    expect((await migrations())[0]?.spec).to.deep.equal({
      podName: 'cart-7',
      podNamespace: 'shop',
      mode: 'Cold',
      tcpPreservationMode: 'Strict',
      onNonConvergence: 'Abort',
      targetNodeName: 'nb',
      bandwidthLimitMbps: 100,
      freezeWindowBudgetMs: 900,
      completionTimeoutSeconds: 60,
    })
  })

  it('does not insist on connections when told so', async () => {
    await run('migrate cart-7 --no-network-continuity')
    expect((await migrations())[0]?.spec.tcpPreservationMode).to.equal('None')
  })

  it('hands kubeconfig, context and namespace on', async () => {
    await run('migrate cart-7 -n other --context c --kubeconfig k')
    expect(chosen).to.include({ context: 'c', kubeconfig: 'k' })
    expect(server.requests.at(-1)).to.contain('/namespaces/other/')
  })

  for (const line of ['deschedule --policy p --context c --kubeconfig k', '--context c --kubeconfig k deschedule --policy p'])
    it(`asks the cluster that was named: ${line}`, async () => {
      await run(line)
      expect(chosen).to.deep.equal({ context: 'c', kubeconfig: 'k' })
    })

  for (const [phase, code] of [
    ['Complete', 0],
    ['RolledBack', 1],
    ['Failed', 1],
  ] as const) {
    it(`waits, tells each phase once, and ends ${code} on ${phase}`, async () => {
      const { exitCode, err } = await run('migrate cart-7 --wait', endWith({ phase, message: 'what happened' }))
      expect(exitCode).to.equal(code)
      expect(err.split('\n').filter((line) => line.includes(`${phase}: what happened`))).to.have.length(1)
    })
  }

  it('stops waiting when the time is up', async () => {
    const { exitCode, err } = await run('migrate cart-7 --wait --timeout 30')
    expect(exitCode).to.equal(1)
    expect(err).to.match(/it goes on without us: see kubectl podmotion status cart-7-\w+\n$/)
  })

  it('estimates and leaves nothing behind', async () => {
    const estimate = { memoryMB: 130, freezeMs: 210, totalSeconds: 6 }
    const { exitCode, out } = await run(
      'estimate cart-7',
      endWith({ phase: 'DryRunComplete', sourceNode: 'na', destinationNode: 'nb', estimate }),
    )
    expect(exitCode).to.equal(0)
    expect(out).to.equal('pod shop/cart-7 can be moved from na to nb: 130 MB of memory, a freeze of about 210 ms, 6 s in all\n')
    expect(await migrations()).to.deep.equal([])
  })

  it('estimates with every reason when it cannot be moved', async () => {
    const refusals = [
      { code: 'HostNetwork', message: 'its address belongs to the node', remedy: 'remove hostNetwork' },
      { code: 'PostCopy', message: 'comes later' },
    ]
    const { exitCode, out } = await run('estimate cart-7', endWith({ phase: 'Failed', refusals }))
    expect(exitCode).to.equal(1)
    expect(out).to.equal(
      'pod shop/cart-7 cannot be moved:\n  HostNetwork: its address belongs to the node\n    remove hostNetwork\n  PostCopy: comes later\n',
    )
  })

  it('lists in columns, wide, as names and as json', async () => {
    put('move-1', { phase: 'Complete', sourceNode: 'na', destinationNode: 'nb', freeze: { freezeMs: 142.3 }, message: 'moved' })
    expect((await run('list')).out).to.equal(
      'NAME     PHASE      POD      FROM   TO   FREEZE   AGE\nmove-1   Complete   cart-7   na     nb   142ms    10m\n',
    )
    expect((await run('list -o wide')).out).to.match(/MESSAGE\n.*moved\n$/)
    expect((await run('list -A')).out).to.match(/^NAMESPACE/)
    expect((await run('list -o name')).out).to.equal('podmigration.podmotion.io/move-1\n')
    expect(JSON.parse((await run('list -o json')).out).items).to.have.length(1)
    expect((await run('status move-1 -o yaml')).out).to.contain('phase: Complete')
  })

  it('finds a migration by its pod, before and after the move, the newest first', async () => {
    put('old', { phase: 'Complete' })
    server.write(podMigrationPath('shop', 'new'), {
      metadata: { creationTimestamp: '2026-01-01T00:05:00Z' },
      spec: { podName: 'cart-7', podNamespace: 'shop' },
      status: { phase: 'Restoring', message: 'the agents move the pod', destinationPodName: 'cart-7-abcde', nextStep: 'wait' },
    })
    for (const name of ['cart-7', 'cart-7-abcde']) {
      const { out } = await run(`status ${name}`)
      expect(out).to.match(/\nnew .*Restoring/)
      expect(out).to.match(/next: wait\n$/)
    }
    expect(await run('status nobody')).to.deep.include({ exitCode: 1 })
  })

  it("takes kubectl's TYPE/NAME, and the namespace before the command too", async () => {
    put('move-1', { phase: 'Restoring' })
    for (const name of ['pod/cart-7', 'pm/move-1', 'podmigration.podmotion.io/move-1'])
      expect((await run(`status ${name} -o name`)).out).to.equal('podmigration.podmotion.io/move-1\n')
    expect((await run('status deployment/cart')).err).to.contain('Reading "deployment/cart": expected the name of a pod or a PodMigration')
    await run('-n other --context c list')
    expect(chosen).to.include({ context: 'c' })
    expect(server.requests.at(-1)).to.contain('/namespaces/other/')
  })

  it('shows programs no managedFields, and nodes as yaml too', async () => {
    server.write(podMigrationPath('shop', 'move-1'), {
      metadata: { managedFields: [{ manager: 'podmotion' }] },
      spec: { podName: 'cart-7', podNamespace: 'shop' },
    })
    expect((await run('status move-1 -o json')).out).not.to.contain('managedFields')
    server.write('/api/v1/nodes/na', {})
    expect((await run('doctor -o yaml')).out).to.match(/^- name: na\n/)
  })

  it('says that a migration was deleted while it was followed', async () => {
    const { exitCode, err } = await run('migrate cart-7 --wait', async () => {
      for (const { metadata } of await migrations()) server.remove(podMigrationPath('shop', metadata.name))
    })
    expect(exitCode).to.equal(1)
    expect(err).to.match(/error: Following cart-7-\w+: it was deleted \(last seen in Pending\): the pod is on its node\n$/)
  })

  it('cancels what is open and refuses what is over', async () => {
    put('open', { phase: 'PreCopyMemory' })
    put('over', { phase: 'Complete', message: 'moved' })
    expect((await run('cancel open')).out).to.contain('is being cancelled')
    expect((await migrations()).map(({ metadata }) => metadata.name)).to.deep.equal(['over'])
    const { exitCode, err } = await run('cancel over')
    expect(exitCode).to.equal(1)
    expect(err).to.contain('error: Cancelling over: it is over (Complete: moved)')
  })

  it('resolves only what is in doubt, and only with the word that says what it means', async () => {
    put('doubt', { phase: 'DisengageHold', granted: true, sourceNode: 'na', destinationNode: 'nb' })
    put('done', { phase: 'TCPVerifying', granted: true, committedAt: 'x' })
    expect((await run('resolve done --destination-gone')).err).to.contain('not in doubt')
    expect((await run('resolve doubt')).err).to.contain('add --destination-gone')
    expect((await run('resolve doubt --destination-gone')).exitCode).to.equal(0)
    const resolved = (await migrations()).find(({ metadata }) => metadata.name === 'doubt')
    expect(resolved?.metadata.annotations).to.deep.equal({ 'podmotion.io/resolved': 'destinationGone' })
  })

  it('describes what happened, step by step', async () => {
    put('move-1', {
      phase: 'RolledBack',
      failure: { code: 'DumpFailed', message: 'criu dump exited 1', phase: 'StateCapture' },
      timeline: [
        { step: 'frozen', at: '2026-01-01T00:00:00.000Z', node: 'na' },
        { step: 'thawed', at: '2026-01-01T00:00:00.120Z', node: 'na' },
      ],
      conditions: [{ type: 'SocketsLive', status: 'False', reason: 'RolledBack', lastTransitionTime: 't', message: 'm' }],
    })
    const { out } = await run('describe move-1')
    expect(out).to.contain('Failure:      DumpFailed in StateCapture: criu dump exited 1')
    expect(out).to.match(/thawed +\+120 ms +na/)
    expect(out).to.match(/SocketsLive +False +RolledBack/)
  })

  it('names the checkpoint of a Cold move once there is one', async () => {
    const conditions = [
      { type: 'CheckpointKept', status: 'True', reason: 'Kept', lastTransitionTime: 't', message: 'MigrationCheckpoint move-1: 3 MB' },
    ]
    put('move-1', { phase: 'Restoring', conditions })
    expect((await run('describe move-1')).out).not.to.contain('Checkpoint:')
    put('move-1', { phase: 'Complete', committedAt: 't', conditions })
    expect((await run('describe move-1')).out).to.contain('Checkpoint:   MigrationCheckpoint move-1: 3 MB')
  })

  it('describes memory that did not converge, and what the move became', async () => {
    const nonConvergence = {
      dirtyRateMBps: 300,
      leftMB: 90,
      predictedFreezeMs: 900,
      budgetMs: 400,
      answer: 'PostCopy',
      message: 'it does not converge',
    }
    put('move-1', { mode: 'PostCopy', preCopy: { rounds: [], nonConvergence } })
    const { out } = await run('describe move-1')
    expect(out).to.contain('Mode:         PreCopy, became PostCopy, TCP Strict\n')
    expect(out).to.contain('Convergence:  it does not converge\n')
  })

  it('watches one migration to its end', async () => {
    put('move-1', { phase: 'Restoring' })
    const { exitCode, out } = await run('watch move-1', endWith({ phase: 'Complete', message: 'moved' }))
    expect(exitCode).to.equal(0)
    expect(out).to.equal('move-1: Restoring\nmove-1: Complete: moved\n')
  })

  it('doctor ends 1 when a node cannot take part, and says why', async () => {
    const capacity = (status: object) => ({
      spec: { nodeName: 'na' },
      status: { observedAt: '2026-01-01T00:09:59Z', reasons: [], ...status },
    })
    server.write('/api/v1/nodes/na', {})
    server.write(
      '/apis/podmotion.io/v1alpha1/nodemigrationcapacities/na',
      capacity({ eligible: true, kernel: '6.18', criuVersion: '4.2.1' }),
    )
    expect(await run('doctor')).to.deep.include({ exitCode: 0 })
    const reasons = [{ code: 'CriuTooOld', message: 'criu 3.17 is older than 4.2.1', remedy: 'install criu 4.2.1' }]
    server.write('/apis/podmotion.io/v1alpha1/nodemigrationcapacities/na', capacity({ eligible: false, reasons }))
    const { exitCode, out } = await run('doctor')
    expect(exitCode).to.equal(1)
    expect(out).to.contain('na: CriuTooOld: criu 3.17 is older than 4.2.1\n  install criu 4.2.1')
    server.write('/api/v1/nodes/nb', {})
    expect((await run('doctor')).out).to.contain('nb: NoAgent')
  })

  const mistakes: [string, RegExp][] = [
    ['migrate', /missing required argument 'pod'/],
    ['migrate cart-7 --strategy Hot', /expected PreCopy, PostCopy or Cold/],
    ['migrate cart-7 --on-non-convergence Wait', /expected Freeze, Abort or PostCopy/],
    ['migrate cart-7 --timeout soon', /expected a whole number/],
    ['migrate cart-7 -A', /unknown option '-A'/],
    ['deschedule', /required option '--policy <file>' not specified/],
    ['list -o xml', /expected json, yaml, wide or name/],
    ['fly', /unknown command 'fly'/],
  ]
  for (const [line, pattern] of mistakes) {
    it(`refuses "${line}"`, async () => {
      const { exitCode, err } = await run(line)
      expect(exitCode).to.equal(1)
      expect(err).to.match(pattern)
      expect(server.requests).to.deep.equal([])
    })
  }

  it('offers what may come next, as kubectl asks for it', async () => {
    server.write(podPath('shop', 'cart-7'), { spec: {} })
    server.write(podPath('shop', 'web-1'), { spec: {} })
    server.write(podPath('other', 'cart-9'), { spec: {} })
    put('move-1')
    const offers = async (line: string) => (await run(`__complete ${line}`)).out.replace(/\t.*/g, '').trim().split('\n')
    expect(await offers('des')).to.deep.equal(['describe', 'deschedule', ':4'])
    expect(await offers('migrate ')).to.deep.equal(['cart-7', 'web-1', ':4'])
    expect(await offers('-n other estimate ca')).to.deep.equal(['cart-9', ':4'])
    expect(await offers('cancel ')).to.deep.equal(['move-1', ':4'])
    expect(await offers('migrate cart-7 --strategy P')).to.deep.equal(['PreCopy', 'PostCopy', ':4'])
    expect(await offers('migrate cart-7 --on-non-convergence ')).to.deep.equal(['Freeze', 'Abort', 'PostCopy', ':4'])
    expect(await offers('migrate cart-7 --to')).to.deep.equal(['--to-node', ':4'])
    expect(await offers('plan --snapshot ')).to.deep.equal([':0'])
    expect((await run('__complete ')).out).to.match(/^migrate\tmove a pod to another node$/m)
    await server.stop()
    expect(await offers('migrate ')).to.deep.equal([':4'])
  })
})
