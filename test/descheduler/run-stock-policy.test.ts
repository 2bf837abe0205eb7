// A stock policy in the controller: moves for what can be moved live, evictions for the rest, nothing in a dry run; --once, and the options.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { descheduleOnce } from '../../src/descheduler/once.ts'
import { deschedulerOptions } from '../../src/descheduler/options.ts'
import { readPolicyFile } from '../../src/descheduler/policy-file.ts'
import { runStockPolicyOnce } from '../../src/descheduler/run-stock-policy.ts'
import * as paths from '../../src/kube/paths.ts'
import { messageOf } from '../../src/runtime/errors.ts'
import { capacity, node, nowMs, pod, reserving } from '../extender/cluster.ts'
import { type TestCluster, testCluster } from '../extender/deps.ts'
import { FakeClock } from '../runtime/fake-clock.ts'
import { policy } from './policy.ts'

const duplicates = `
apiVersion: descheduler/v1alpha2
kind: DeschedulerPolicy
gracePeriodSeconds: 7
profiles:
- name: p
  pluginConfig: [{name: RemoveDuplicates}]
  plugins: {balance: {enabled: [RemoveDuplicates]}}
`

describe('a stock policy in the controller', function () {
  // Caches, files and an API server: a busy machine takes its time.
  this.timeout(20_000)
  let cluster: TestCluster
  let folder: string
  let file: string

  beforeEach(async () => {
    cluster = await testCluster(new FakeClock(nowMs))
    folder = mkdtempSync(join(tmpdir(), 'stock-policy-'))
    file = join(folder, 'policy.yaml')
    writeFileSync(file, duplicates)
    for (const name of ['a', 'b', 'c']) {
      cluster.write(paths.nodePath(name), node(name))
      cluster.write(paths.nodeMigrationCapacityPath(name), capacity(name))
    }
    for (const name of ['one', 'two']) cluster.write(paths.podPath('shop', name), pod(`shop/${name}`, { on: 'a', owner: 'web' }))
    for (const name of ['x', 'y'])
      cluster.write(paths.podPath('bank', name), pod(`bank/${name}`, { on: 'a', owner: 'api', runtimeClassName: undefined }))
  })
  afterEach(() => {
    cluster.stop()
    rmSync(folder, { recursive: true })
  })

  const run = async (dryRun = false) => {
    await cluster.sync()
    return runStockPolicyOnce(cluster.deps, await readPolicyFile(file), () => [], dryRun)
  }
  const posts = () => cluster.server.requests.filter((request) => request.startsWith('POST')).map((request) => request.split('?')[0])

  it('moves live what can be moved, and evicts the rest', async () => {
    cluster.server.fault = (method, url) =>
      method === 'POST' && url.includes('/eviction') ? { status: 201, reason: 'Created' } : undefined
    const { actions } = await run()
    expect(actions.map(({ action, victim }) => `${action} ${victim.pod.metadata?.name}`)).to.have.members(['Move two', 'Evict y'])
    expect(posts()).to.include('POST /api/v1/namespaces/bank/pods/y/eviction')
    expect(cluster.server.read(paths.podMigrationPath('shop', 'descheduler-uid-two-1'))?.spec).to.deep.include({
      podName: 'two',
      sourcePodUID: 'uid-two',
      tcpPreservationMode: 'Strict',
    })
  })

  it('goes on when an eviction is refused', async () => {
    cluster.server.fault = (method, url) =>
      method === 'POST' && url.includes('/eviction') ? { status: 429, reason: 'TooManyRequests' } : undefined
    const { started } = await run()
    expect(started).to.equal(1)
  })

  it('begins nothing in a dry run', async () => {
    const { actions, started } = await run(true)
    expect([actions.length, started]).to.deep.equal([2, 0])
    expect(posts()).to.deep.equal([])
  })

  it('leaves a pod that is being moved already', async () => {
    cluster.write(paths.podMigrationPath('shop', 'm'), reserving('shop/m', 'two', 'b', 100))
    const { actions } = await run(true)
    expect(actions.map(({ action, victim }) => `${action} ${victim.pod.metadata?.name}`)).to.include('Leave two')
  })

  it('says what is wrong with the file, and where', async () => {
    writeFileSync(file, duplicates.replace('RemoveDuplicates}]', 'RemoveDuplicate}]'))
    const error = await readPolicyFile(file).catch(messageOf)
    expect(error).to.match(
      /^Reading the policy:\n.*policy\.yaml:7:25 profiles\[0\]\.pluginConfig\[0\]\.name: expected DefaultEvictor or one of .* got "RemoveDuplicate"\n/,
    )
    expect(await readPolicyFile(join(folder, 'none')).catch(messageOf)).to.match(/^Reading the policy .*none: ENOENT/)
  })

  it('--once runs the file and every MigrationPolicy one time, and says what came of it', async () => {
    cluster.write(paths.migrationPolicyPath('even'), policy('even'))
    let out = ''
    const write = (text: string) => {
      out += text
    }
    await descheduleOnce(
      cluster.deps,
      { ...deschedulerOptions(['--once', '--dry-run']), policyFile: file },
      new AbortController().signal,
      write,
    )
    expect(out.split('\n').sort()).to.deep.equal(
      [
        '',
        '2 pods chosen, 0 begun',
        'Evict bank/y from a: RemoveDuplicates: ReplicaSet api has 2 pods on a, an even share is 1',
        'Move shop/two from a to b: RemoveDuplicates: ReplicaSet web has 2 pods on a, an even share is 1',
        'even: LowNodeUtilization: no node is over its target (cpu 70 %)',
      ].sort(),
    )
    expect(posts()).to.deep.equal([])
  })
})

describe("the controller's options", () => {
  it('are those of the stock descheduler, and --once', () => {
    expect(deschedulerOptions([])).to.deep.equal({ policyFile: undefined, intervalMs: 300_000, dryRun: false, once: false })
    const given = deschedulerOptions(['--policy-config-file', 'p', '--descheduling-interval=1h30m', '--dry-run', '--once'])
    expect(given).to.deep.equal({ policyFile: 'p', intervalMs: 5_400_000, dryRun: true, once: true })
  })

  it('are refused with the value', () => {
    expect(() => deschedulerOptions(['--descheduling-interval', 'often'])).to.throw('expected a duration like 5m or 1h30m, got "often"')
    expect(() => deschedulerOptions(['--nonsense'])).to.throw(/Reading the options: .*nonsense/)
  })
})
