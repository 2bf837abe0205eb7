// A policy left to itself on three real nodes whose twelve pods get busy and quiet: real burners, real usage, real moves, real clients. Prints one last line that starts with `rebalance:`. --minutes, --keep.
import { writeFile } from 'node:fs/promises'
import { cpus, loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { V1Pod } from '@kubernetes/client-node'
import { execa } from 'execa'
import { apiVersion } from '../src/api/names.ts'
import type { PodMigration } from '../src/api/pod-migration.ts'
import { testAuthority } from '../test/extender/certificates.ts'
import { Lab } from '../test/lab/lab.ts'
import { projectRoot } from '../test/lab/layout.ts'
import { installProduct } from '../test/lab/product/install.ts'
import { type Talk, World } from '../test/lab/product/world.ts'
import { KubeletUsage } from './rebalance/kubelet-usage.ts'
import { imbalanceOf, lineOf, picturedLines, type Sample } from './rebalance/report.ts'
import { cpuStrategy } from './unattended/cpu-strategy.ts'
import { removeMetricsApi, serveMetricsApi } from './unattended/metrics-api.ts'
import { picture } from './unattended/picture.ts'

const { values: wish } = parseArgs({ options: { minutes: { type: 'string', default: '8' }, keep: { type: 'boolean', default: false } } })
const apps = Array.from({ length: 12 }, (_none, number) => `app-${number}`)
const connectionsOfApp = 4
const busyMillis = 200
const lookEverySeconds = 5
/** Other pods get busy: those of one node, whichever has most of them then. */
const shiftEverySeconds = 120
const busyPods = 4
/** How far over the average the policy lets a node be; then the root mean square is below it as well. */
const boundPercentPoints = 8
/** From a shift to the nodes' being level again: two measurements, a cycle, and two moves one after the other. */
const graceSeconds = 75
const results = fileURLToPath(new URL('./results/rebalance', import.meta.url))
const said: string[] = []

const policy = {
  apiVersion,
  kind: 'MigrationPolicy',
  metadata: { name: 'rebalance' },
  spec: {
    schedule: '*/10 * * * * *',
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'default' } },
    ...cpuStrategy(boundPercentPoints),
    budgets: { inFlightCluster: 2, outboundPerNode: 2, inboundPerNode: 2, perHour: 200 },
    cooldownSeconds: 60,
    maxMovesPerPodPerHour: 6,
    defaults: { tcpPreservationMode: 'Strict', freezeWindowBudgetMs: 8000 },
  },
}

function say(line: string): void {
  said.push(line)
  console.log(line)
}

async function preparedLab(): Promise<Lab> {
  const name = process.env.LAB_NAME ?? 'bench'
  await execa('make', ['--no-print-directory', 'bundle', 'native'], { cwd: projectRoot, stdout: 'ignore' })
  const wasUp = Lab.isUp(name)
  const lab = wasUp ? Lab.attach(name) : await Lab.up({ name })
  await lab.loadImages()
  await installProduct(lab, { restart: wasUp })
  return lab
}

class Rebalance {
  readonly #world: World
  readonly #usage: KubeletUsage
  readonly #processors: number
  /** By app: where its pod is, and where it began. */
  #pods = new Map<string, V1Pod>()
  readonly #homes = new Map<string, string>()

  constructor(world: World, usage: KubeletUsage, processors: number) {
    this.#world = world
    this.#usage = usage
    this.#processors = processors
  }

  get pods(): readonly V1Pod[] {
    return [...this.#pods.values()]
  }

  get #nodeNames(): string[] {
    return this.#world.lab.nodes.map(({ name }) => name)
  }

  async deploy(): Promise<void> {
    const nodes = this.#nodeNames
    await Promise.all(
      apps.map((name, number) => this.#world.deployEchos({ name, burner: true, nodeName: nodes[number % nodes.length] ?? '' })),
    )
    for (const name of apps) await this.#world.answers(name)
    await this.refresh()
    for (const [app, pod] of this.#pods) this.#homes.set(app, pod.spec?.nodeName ?? '')
  }

  async refresh(): Promise<void> {
    const all = await this.#world.list<V1Pod>('pods')
    for (const pod of all)
      if (pod.status?.phase === 'Running' && !pod.metadata?.deletionTimestamp) this.#pods.set(pod.metadata?.labels?.app ?? '', pod)
  }

  /** Through their Services: nobody tells them when a pod moves. */
  async talk(seconds: number): Promise<Talk[]> {
    return await Promise.all(apps.map(async (app) => this.#world.talk(await this.#world.serviceAddress(app), seconds, connectionsOfApp)))
  }

  /** Pods of the node that has most become busy, all others quiet. */
  async shift(round: number): Promise<void> {
    await this.refresh()
    const on = (node: string) => apps.filter((app) => this.#pods.get(app)?.spec?.nodeName === node)
    const nodes = this.#nodeNames.toSorted((one, other) => on(other).length - on(one).length)
    const busy = on(nodes[0] ?? '').slice(0, busyPods)
    await Promise.all(apps.map((app) => this.#burn(app, busy.includes(app) ? busyMillis : 0)))
    say(`shift ${round}: ${busy.join(', ')} on ${nodes[0]} get busy (${busyMillis} thousandths of a processor each), the others quiet`)
  }

  async #burn(app: string, millis: number): Promise<void> {
    await this.#world.until(`${app} to take its burner's number`, async () => {
      await this.refresh()
      const pod = this.#pods.get(app)
      if (!pod) return false
      const { exitCode } = await this.#world.exec(
        pod,
        'side',
        'sh',
        '-c',
        `echo ${millis} > /data/burn.new && mv /data/burn.new /data/burn`,
      )
      return exitCode === 0
    })
  }

  async look(second: number): Promise<Sample> {
    await this.refresh()
    const migrations = await this.#world.list<PodMigration>('podmigrations')
    const moves = migrations.filter(({ status }) => status?.phase === 'Complete').length
    const nodes = this.#nodeNames
    const used = (nodeOf: (app: string) => string | undefined) =>
      nodes.map((node) => {
        const millis = apps.filter((app) => nodeOf(app) === node).reduce((sum, app) => sum + this.#millisOf(app), 0)
        return millis / (10 * this.#processors)
      })
    return { second, now: used((app) => this.#pods.get(app)?.spec?.nodeName), unmoved: used((app) => this.#homes.get(app)), moves }
  }

  #millisOf(app: string): number {
    return this.#usage.of(this.#pods.get(app)?.metadata?.uid)
  }
}

async function watched(world: World, run: Rebalance, seconds: number): Promise<Sample[]> {
  const startMs = performance.now()
  const second = () => (performance.now() - startMs) / 1000
  const samples: Sample[] = []
  for (let shifts = 0; second() < seconds; ) {
    if (second() >= shifts * shiftEverySeconds) await run.shift(++shifts)
    await sleep(lookEverySeconds * 1000)
    const sample = await run.look(second())
    samples.push(sample)
    say(lineOf(sample))
  }
  return samples
}

/** After a shift there is time to measure and to move; then the bound holds. */
function worstAtRest(samples: readonly Sample[], pick: (sample: Sample) => readonly number[]): number {
  const atRest = samples.filter(({ second }) => second % shiftEverySeconds > graceSeconds)
  return Math.max(0, ...atRest.map((sample) => imbalanceOf(pick(sample))))
}

async function conclude(world: World, samples: readonly Sample[], talks: readonly Talk[]): Promise<boolean> {
  const migrations = await world.list<PodMigration>('podmigrations')
  for (const { metadata, status } of migrations)
    say(
      `${metadata.name}: ${status?.phase}, ${status?.sourceNode} → ${status?.destinationNode}, frozen for ${status?.freeze?.freezeMs ?? '?'} ms`,
    )
  const done = migrations.filter(({ status }) => status?.phase === 'Complete').length
  const errors = talks.flatMap(({ errors: some }) => some)
  for (const error of errors.slice(0, 10)) say(`error: ${error}`)
  const requests = talks.reduce((sum, talk) => sum + talk.requests, 0)
  const worst = worstAtRest(samples, ({ now }) => now)
  const isGood = errors.length === 0 && done > 0 && done === migrations.length && worst <= boundPercentPoints
  say(
    `rebalance: ${world.lab.nodes.length} real nodes, ${apps.length} pods, ${wish.minutes} min: imbalance at most ${worst.toFixed(1)} percent points from ${graceSeconds} s after a shift on` +
      ` (the policy's bound: ${boundPercentPoints}; had nobody moved: ${worstAtRest(samples, ({ unmoved }) => unmoved).toFixed(1)}) · ${done} of ${migrations.length} moves Complete` +
      ` · ${requests} requests on ${apps.length * connectionsOfApp} connections, ${errors.length} errors, longest wait ${Math.max(...talks.map(({ worstMs }) => worstMs))} ms` +
      ` · ${isGood ? 'within all bounds' : 'BROKEN'}`,
  )
  return isGood
}

const lab = await preparedLab()
const over = new AbortController()
const authority = await testAuthority()
try {
  const world = new World(lab)
  const usage = new KubeletUsage(lab)
  const run = new Rebalance(world, usage, cpus().length)
  await run.deploy()
  void usage.follow(over.signal)
  const view = {
    pods: () => run.pods,
    cpuMillisOf: (pod: V1Pod) => usage.of(pod.metadata?.uid),
    nodeNames: () => lab.nodes.map(({ name }) => name),
  }
  await serveMetricsApi(lab, await authority.issue('metrics'), view, over.signal)
  const seconds = 60 * Number(wish.minutes)
  const talking = run.talk(seconds + 30)
  await world.apply(policy)
  const samples = await watched(world, run, seconds)
  await world.remove('migrationpolicy', policy.metadata.name)
  say(`processes that wanted a processor in the last 5 minutes: ${loadavg()[1]?.toFixed(1)} on ${cpus().length} processors`)
  process.exitCode = (await conclude(world, samples, await talking)) ? 0 : 1
  const nodeNames = lab.nodes.map(({ name }) => name)
  await writeFile(`${results}.txt`, `${said.join('\n')}\n`)
  await writeFile(
    `${results}.svg`,
    picture('CPU that the pods of three nodes use while load shifts, with a policy left to itself', picturedLines(samples, nodeNames)),
  )
} finally {
  over.abort()
  authority.remove()
  await removeMetricsApi(lab)
  if (!wish.keep) await lab.down()
}
process.exit()
