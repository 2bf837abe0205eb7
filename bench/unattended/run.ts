// The unattended run: a lab with kwok, the fleet, usage, the controller and its policy; then only looking.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { KubeConfig, type V1Pod } from '@kubernetes/client-node'
import type { MigrationPolicy } from '../../src/api/migration-policy.ts'
import { apiVersion } from '../../src/api/names.ts'
import type { PodMigration } from '../../src/api/pod-migration.ts'
import { KubeClient } from '../../src/kube/client.ts'
import { leasePath, migrationPolicyPath, podMigrationPath, podPath } from '../../src/kube/paths.ts'
import { WatchCache } from '../../src/kube/watch-cache.ts'
import { testAuthority } from '../../test/extender/certificates.ts'
import { fakeLabel } from '../../test/lab/extender/fake-nodes.ts'
import { OurExtender } from '../../test/lab/extender/our-extender.ts'
import { Lab } from '../../test/lab/lab.ts'
import { projectRoot } from '../../test/lab/layout.ts'
import { said } from '../../test/lab/said.ts'
import { kwokStep } from '../../test/lab/setup/kwok.ts'
import { cachedDir } from '../../test/lab/setup/step.ts'
import { cpuStrategy } from './cpu-strategy.ts'
import { createFleet, type Fleet, homeOf, keepReporting, movesOf, nodeCpuMillis, nodeNameOf, numberOf } from './fleet.ts'
import { cpuMillis } from './load.ts'
import { removeMetricsApi, serveMetricsApi } from './metrics-api.ts'
import { type Sample, spreadOf } from './sample.ts'
import { StandInMigrator } from './stand-in-migrator.ts'

const labName = process.env.UNATTENDED_LAB ?? 'bench-unattended'
const stages = fileURLToPath(new URL('./kwok-stages.yaml', import.meta.url))
const metricsPort = 8082
const lookEverySeconds = 5
const leaseSeconds = 120

/** How far over the average the policy lets a node be; then the root mean square is below it as well. */
export const boundPercentPoints = 10

const policy = {
  apiVersion,
  kind: 'MigrationPolicy',
  metadata: { name: 'unattended' },
  spec: {
    schedule: '*/10 * * * * *',
    ...cpuStrategy(boundPercentPoints),
    budgets: { inFlightCluster: 60, inFlightPerNamespace: 60, outboundPerNode: 2, inboundPerNode: 2, perHour: 10_000 },
    cooldownSeconds: 300,
    maxMovesPerPodPerHour: 2,
  },
}

export interface Unattended {
  samples: Sample[]
  mostMovesOfPod: number
  failed: number
}

export async function runUnattended(fleet: Fleet, seconds: number): Promise<Unattended> {
  const wasUp = Lab.isUp(labName)
  const lab = wasUp ? Lab.attach(labName) : await Lab.up({ name: labName, nodes: 1 })
  const proxy = await lab.apiProxy()
  const config = new KubeConfig()
  config.loadFromString(proxy.kubeconfig)
  const client = KubeClient.fromConfig(config)
  const over = new AbortController()
  const authority = await testAuthority()
  const ending = async () => {
    over.abort()
    authority.remove()
    await removeMetricsApi(lab)
    await lab.kubectl(['delete', 'migrationpolicies', '--all'], { reject: false })
    await proxy.close()
    if (!wasUp) await Lab.remove(labName)
  }
  try {
    const tools = await OurExtender.prepare(lab)
    await tools.remove()
    await startKwok(lab, client, over.signal)
    await createFleet(client, fleet, (text) => console.log(`unattended: made ${text}`))
    void keepReporting(client, fleet, over.signal)
    const run = new Run(lab, client, fleet, over.signal)
    return await run.watch(await authority.issue('metrics'), seconds)
  } finally {
    await ending()
  }
}

async function startKwok(lab: Lab, client: KubeClient, signal: AbortSignal): Promise<void> {
  const kwok = join(await cachedDir(kwokStep()), 'kwok')
  // Leases of an earlier kwok are respected until they end.
  await client.delete(leasePath('kube-node-lease'))
  const selector = `--manage-nodes-with-label-selector=${fakeLabel}=true`
  const args = ['--kubeconfig', lab.kubeconfigPath, selector, '--config', stages, `--node-lease-duration-seconds=${leaseSeconds}`]
  const started = lab.control.runHere(kwok, args, { reject: false, stdio: 'ignore' })
  signal.addEventListener('abort', () => void started.kill('SIGKILL'))
}

class Run {
  readonly #lab: Lab
  readonly #client: KubeClient
  readonly #fleet: Fleet
  readonly #signal: AbortSignal
  readonly #pods: WatchCache<V1Pod>
  #startedMs = performance.now()
  #cycles = { sum: 0, count: 0 }

  constructor(lab: Lab, client: KubeClient, fleet: Fleet, signal: AbortSignal) {
    this.#lab = lab
    this.#client = client
    this.#fleet = fleet
    this.#signal = signal
    this.#pods = new WatchCache<V1Pod>(client, podPath('default'), { labelSelector: `${fakeLabel}=true` })
  }

  async watch(tlsDir: string, seconds: number): Promise<Unattended> {
    const migrations = new WatchCache<PodMigration>(this.#client, podMigrationPath())
    await Promise.all([this.#pods.start(this.#signal), migrations.start(this.#signal)])
    await this.#allRun()
    const standIn = new StandInMigrator(this.#client, this.#pods, migrations)
    const view = {
      pods: () => this.#pods.list(),
      cpuMillisOf: (pod: V1Pod) => cpuMillis(numberOf(pod), this.#second()),
      nodeNames: () => Array.from({ length: this.#fleet.nodeCount }, (_none, number) => nodeNameOf(number)),
    }
    await serveMetricsApi(this.#lab, tlsDir, view, this.#signal)
    await this.#startController()
    await this.#lab.kubectl(['apply', '-f', '-'], { input: JSON.stringify(policy) })
    this.#startedMs = performance.now()
    const samples: Sample[] = []
    while (this.#second() < seconds) {
      await sleep(lookEverySeconds * 1000)
      samples.push(await this.#look(standIn))
      if (samples.length % 6 === 0) await this.#say(samples.at(-1) as Sample)
    }
    for (const error of standIn.errors.slice(0, 5)) console.log(`stand-in: ${error}`)
    return { samples, mostMovesOfPod: Math.max(...this.#pods.list().map(movesOf)), failed: standIn.errors.length }
  }

  async #say({ second, now, unmoved, nodesOver, done, residentMiB, cycleSeconds }: Sample): Promise<void> {
    const { status } = await this.#client.get<MigrationPolicy>(migrationPolicyPath(policy.metadata.name))
    const imbalance = `imbalance ${now.imbalance.toFixed(1)} (unmoved ${unmoved.imbalance.toFixed(1)})`
    const controller = `${residentMiB.toFixed(0)} MiB, cycle ${cycleSeconds.toFixed(2)} s`
    console.log(
      `${second.toFixed(0)} s: ${imbalance}, ${nodesOver} over, ${done} moves, ${controller}; ${status?.lastResult ?? 'no result yet'}`,
    )
  }

  #second(): number {
    return (performance.now() - this.#startedMs) / 1000
  }

  async #allRun(): Promise<void> {
    const waiting = () => this.#pods.list().filter(({ status }) => status?.phase !== 'Running').length
    for (let attempt = 0; waiting() > 0; attempt++) {
      if (attempt > 300) throw new Error(`Waiting for kwok: ${waiting()} pods do not run`)
      await sleep(1000)
    }
    console.log(`unattended: ${this.#pods.list().length} pods run`)
  }

  async #startController(): Promise<void> {
    const program = fileURLToPath(new URL('./controller.ts', import.meta.url))
    const started = this.#lab.control.runHere(process.execPath, ['--import', 'tsx', program], {
      env: { KUBECONFIG: this.#lab.kubeconfigPath, METRICS_PORT: String(metricsPort), LOG_LEVEL: process.env.LOG_LEVEL ?? 'warn' },
      cwd: projectRoot,
      reject: false,
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    this.#signal.addEventListener('abort', () => void started.kill('SIGKILL'))
    for (let attempt = 0; attempt < 300; attempt++) {
      const asked = await said(this.#lab.control.run('curl', ['-sf', `http://127.0.0.1:${metricsPort}/readyz`], { reject: false }))
      if (asked.exitCode === 0) return
      await sleep(300)
    }
    throw new Error('Starting the controller: it did not get ready, its own words are above')
  }

  async #look({ inFlight, done }: StandInMigrator): Promise<Sample> {
    const second = this.#second()
    const used = new Map<string, number>()
    const usedUnmoved = new Map<string, number>()
    for (const pod of this.#pods.list()) {
      const number = numberOf(pod)
      add(used, pod.spec?.nodeName ?? '', cpuMillis(number, second))
      add(usedUnmoved, homeOf(number, this.#fleet), cpuMillis(number, second))
    }
    const percents = (amounts: ReadonlyMap<string, number>) =>
      Array.from({ length: this.#fleet.nodeCount }, (_none, number) => (100 * (amounts.get(nodeNameOf(number)) ?? 0)) / nodeCpuMillis)
    const now = spreadOf(percents(used))
    const nodesOver = percents(used).filter((percent) => percent > now.mean + boundPercentPoints).length
    return { second, now, unmoved: spreadOf(percents(usedUnmoved)), nodesOver, inFlight, done, ...(await this.#controllerNow()) }
  }

  async #controllerNow(): Promise<{ residentMiB: number; cycleSeconds: number }> {
    const { stdout } = await said(this.#lab.control.run('curl', ['-sS', `http://127.0.0.1:${metricsPort}/metrics`]))
    const value = (name: string) => Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(stdout)?.[1] ?? 0)
    const before = this.#cycles
    this.#cycles = { sum: value('podmotion_cycle_duration_seconds_sum'), count: value('podmotion_cycle_duration_seconds_count') }
    const cycles = this.#cycles.count - before.count
    const residentMiB = value('(?:podmotion_)?process_resident_memory_bytes') / 2 ** 20
    return { residentMiB, cycleSeconds: cycles > 0 ? (this.#cycles.sum - before.sum) / cycles : 0 }
  }
}

function add(amounts: Map<string, number>, key: string, amount: number): void {
  amounts.set(key, (amounts.get(key) ?? 0) + amount)
}
