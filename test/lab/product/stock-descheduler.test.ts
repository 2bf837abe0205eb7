// The policies of the stock descheduler's documentation, and stricter ones: on the same cluster the real one and ours choose the same pods.
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import { expect } from 'chai'
import { difference } from '../../../bench/stock-descheduler/compare.ts'
import { documentedPolicies, stockDescheduler } from '../../../bench/stock-descheduler/program.ts'
import { runStock, type StockProgram } from '../../../bench/stock-descheduler/run-stock.ts'
import { realConsole } from '../../../src/cli/console.ts'
import { runCli } from '../../../src/cli/program.ts'
import { parseQuantity } from '../../../src/extender/quantity.ts'
import type { ApiProxy } from '../api-proxy.ts'
import { outOfPlaceManifests } from '../workloads/out-of-place.ts'
import { sharedWorld } from './shared-lab.ts'
import type { World } from './world.ts'

const namespace = 'out-of-place'

/** Documented numbers are days and hundreds; these find something in a cluster that is minutes old. */
const strict: Record<string, { args: object; point?: 'balance'; finds: string[] }> = {
  RemoveDuplicates: { args: {}, point: 'balance', finds: ['duplicate'] },
  LowNodeUtilization: { args: { thresholds: { memory: 20 }, targetThresholds: { memory: 50 } }, point: 'balance', finds: ['big'] },
  HighNodeUtilization: { args: { thresholds: { memory: 20 } }, point: 'balance', finds: ['loud'] },
  RemovePodsViolatingTopologySpreadConstraint: { args: {}, point: 'balance', finds: ['even'] },
  RemovePodsViolatingInterPodAntiAffinity: { args: {}, finds: ['shy'] },
  RemovePodsViolatingNodeAffinity: { args: { nodeAffinityType: ['requiredDuringSchedulingIgnoredDuringExecution'] }, finds: ['picky'] },
  RemovePodsViolatingNodeTaints: { args: {}, finds: ['stays'] },
  RemovePodsHavingTooManyRestarts: { args: { podRestartThreshold: 1 }, finds: ['restless'] },
  PodLifeTime: { args: { maxPodLifeTimeSeconds: 1, labelSelector: { matchLabels: { app: 'big' } } }, finds: ['big'] },
  RemoveFailedPods: { args: { minPodLifetimeSeconds: 0 }, finds: ['failing'] },
}

function strictPolicy(name: string): string {
  const { args, point = 'deschedule' } = strict[name] ?? {}
  const profile = { name: 'strict', pluginConfig: [{ name, args }], plugins: { [point]: { enabled: [name] } } }
  return JSON.stringify({ apiVersion: 'descheduler/v1alpha2', kind: 'DeschedulerPolicy', profiles: [profile] })
}

describe('policies of the stock descheduler', () => {
  let world: World
  let proxy: ApiProxy
  let stock: StockProgram

  before(async function () {
    this.timeout(1_500_000)
    world = await sharedWorld()
    stock = { program: await stockDescheduler(), kubeconfig: '' }
    proxy = await world.lab.apiProxy()
    stock.kubeconfig = proxy.kubeconfigPath
    await misplace(world)
  })

  after(async function () {
    this.timeout(120_000)
    await world.kubectl('taint', 'node', 'node-3', 'maintenance-')
    await world.kubectl('delete', 'namespace', namespace, '--wait=false')
    await proxy.close()
  })

  async function compare(policy: string): Promise<{ ours: { name: string; strategy: string; namespace: string }[] }> {
    const { choices, errors } = await runStock(stock, policy)
    expect(choices.length, errors.join('\n')).to.be.greaterThan(0)
    const ours = await deschedule(policy, proxy.kubeconfigPath)
    const pods = await world.list<V1Pod>('pods', '-A')
    const differences = choices.map((theirs) => difference(ours, theirs, pods))
    if (!differences.includes(undefined)) {
      // What depends on the order of a Go map is looked at more often.
      differences.push(...(await runStock(stock, policy, 20)).choices.map((theirs) => difference(ours, theirs, pods)))
    }
    expect(differences, differences[0]).to.include(undefined)
    return { ours }
  }

  for (const name of Object.keys(strict))
    it(`${name}: the same pods, and some`, async () => {
      const { ours } = await compare(strictPolicy(name))
      for (const app of strict[name]?.finds ?? []) expect(ours.map((one) => one.name).join(' ')).to.contain(`${app}-`)
    })

  it('ten and more policies of its documentation, unchanged', async function () {
    this.timeout(400_000)
    // No metrics server and no Prometheus here; one example is no YAML, one names a priority class that cannot exist.
    const usable = [...documentedPolicies()].filter(([, text]) => !/metricsProviders|\[\.\.\.\]|priorityClassName1/.test(text))
    expect(usable.length).to.be.greaterThan(10)
    for (const [name, text] of usable) {
      await compare(text).catch((error: Error) => {
        throw new Error(`${name}: ${error.message}`)
      })
    }
  })
})

async function misplace(world: World): Promise<void> {
  const node = await world.get<V1Node>('node', 'node-1')
  const big = Math.floor((parseQuantity(node?.status?.allocatable?.memory) * 0.25) / 2 ** 20)
  await world.kubectl('label', 'node', 'node-1', 'lab=yes', '--overwrite')
  const applied = await world.apply(outOfPlaceManifests(`${big}Mi`))
  expect(applied.exitCode, applied.all).to.equal(0)
  await world.until('everything to be out of place', async () => {
    const pods = await world.list<V1Pod>('pods', '-n', namespace)
    const restarts = pods.flatMap(({ status }) => status?.containerStatuses ?? []).map(({ restartCount }) => restartCount)
    const running = pods.filter(({ status }) => status?.phase === 'Running').length
    return running >= 17 && pods.some(({ status }) => status?.phase === 'Failed') && Math.max(...restarts) > 0
  })
  await world.kubectl('label', 'node', 'node-1', 'lab-')
  await world.kubectl('label', 'node', 'node-2', 'lab=yes', '--overwrite')
  await world.kubectl('taint', 'node', 'node-3', 'maintenance=true:NoSchedule', '--overwrite')
}

async function deschedule(policy: string, kubeconfig: string) {
  let out = ''
  let err = ''
  const console = {
    ...realConsole,
    read: async () => policy,
    out: (text: string) => {
      out += text
    },
    err: (text: string) => {
      err += text
    },
  }
  const exitCode = await runCli(['deschedule', '--policy', 'policy.yaml', '--kubeconfig', kubeconfig, '--dry-run', '-o', 'json'], console)
  expect(exitCode, err).to.equal(0)
  return JSON.parse(out).victims as { namespace: string; name: string; strategy: string }[]
}
