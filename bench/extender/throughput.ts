// Pods a second of a real kube-scheduler over kwok nodes, with our extender, with one that does nothing, and without any, in turns, in one lab.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type EventsV1Event, KubeConfig, type V1Node, type V1Pod } from '@kubernetes/client-node'
import { execa } from 'execa'
import { parse, stringify } from 'yaml'
import { KubeClient } from '../../src/kube/client.ts'
import { nodePath, podPath } from '../../src/kube/paths.ts'
import { WatchCache } from '../../src/kube/watch-cache.ts'
import { schedulerConfiguration } from '../../test/lab/config/scheduler.ts'
import { createNodes, fakeLabel, fakePod, inParallel } from '../../test/lab/extender/fake-nodes.ts'
import { OurExtender, type Program } from '../../test/lab/extender/our-extender.ts'
import { Lab } from '../../test/lab/lab.ts'
import { kwokStep } from '../../test/lab/setup/kwok.ts'
import { cachedDir } from '../../test/lab/setup/step.ts'
import { rateOf } from './rate.ts'

export interface Throughput {
  nodeCount: number
  /** Pods a second of each turn. */
  with: number[]
  without: number[]
  /** With an extender that does nothing. */
  nothing: number[]
}

type Extender = 'ours' | 'nothing' | undefined
const extenderOf = { with: 'ours', without: undefined, nothing: 'nothing' } as const
const nothingPort = 8444

const stages = fileURLToPath(new URL('../../test/lab/extender/kwok-stages.yaml', import.meta.url))
const nothing = fileURLToPath(new URL('./nothing.ts', import.meta.url))
const labName = process.env.EXTENDER_LAB ?? 'bench-extender'

export async function measureThroughput(nodeCounts: readonly number[], podCount: number, turns: number): Promise<Throughput[]> {
  const kwok = join(await cachedDir(kwokStep()), 'kwok')
  const wasUp = Lab.isUp(labName)
  const lab = wasUp ? Lab.attach(labName) : await Lab.up({ name: labName, nodes: 1 })
  const proxy = await lab.apiProxy()
  const config = new KubeConfig()
  config.loadFromString(proxy.kubeconfig)
  const bench = new Bench(lab, KubeClient.fromConfig(config), await OurExtender.prepare(lab), podCount)
  try {
    await bench.start(kwok)
    const results: Throughput[] = []
    for (const nodeCount of nodeCounts) results.push(await bench.measure(nodeCount, turns))
    return results
  } finally {
    await bench.end()
    await proxy.close()
    if (!wasUp) await Lab.remove(labName)
  }
}

const nothingEntry = {
  urlPrefix: `http://127.0.0.1:${nothingPort}`,
  filterVerb: 'filter',
  prioritizeVerb: 'prioritize',
  weight: 1,
  nodeCacheCapable: true,
  ignorable: false,
}

const eventPath = '/apis/events.k8s.io/v1/namespaces/default/events'
/** Of the scheduler's events some are dropped when they are too many at once. */
const enoughEvents = 0.9

/** For the scheduler and the extender; all else is on the other. */
const measuredProcessor = 0
const otherProcessor = 1
/** Where there are more processors an extender that is asked has one; here it would wait until the scheduler's other threads let it. */
const atOnce = ['taskset', '-c', String(measuredProcessor), 'nice', '-n', '-19'] as const

class Bench {
  readonly #lab: Lab
  readonly #client: KubeClient
  readonly #ours: OurExtender
  readonly #podCount: number
  #kwok: Program | undefined
  #nothing: Program | undefined
  #nodeCount = 0

  constructor(lab: Lab, client: KubeClient, ours: OurExtender, podCount: number) {
    this.#lab = lab
    this.#client = client
    this.#ours = ours
    this.#podCount = podCount
  }

  async start(kwok: string): Promise<void> {
    const args = ['--kubeconfig', this.#lab.kubeconfigPath, `--manage-nodes-with-label-selector=${fakeLabel}=true`, '--config', stages]
    // Of the leases of 5000 nodes, and of a node controller that finds some of them late, the API server would have enough to do.
    await this.#lab.control.run('systemctl', ['stop', 'kube-controller-manager'])
    this.#kwok = this.#lab.control.runHere(kwok, [...args, '--node-lease-duration-seconds=0'], {
      reject: false,
      stdio: 'ignore',
    }) as unknown as Program
    const [command, ...before] = atOnce
    this.#nothing = this.#lab.control.runHere(command, [...before, process.execPath, '--import', 'tsx', nothing, String(nothingPort)], {
      reject: false,
      stdio: 'ignore',
    }) as unknown as Program
    await this.#ours.start({ before: atOnce })
    await this.#apart('kube-apiserver', 'etcd')
  }

  async end(): Promise<void> {
    this.#kwok?.kill('SIGKILL')
    this.#nothing?.kill('SIGKILL')
    await this.#ours.remove()
    await this.#lab.control.run('systemctl', ['start', 'kube-controller-manager'])
    await this.#lab.restartScheduler(schedulerConfiguration())
    await this.#lab.kubectl(['delete', 'pods,nodes', '-l', fakeLabel, '--force', '--wait=false'], { reject: false, stdio: 'ignore' })
  }

  async measure(nodeCount: number, turns: number): Promise<Throughput> {
    const more = Array.from({ length: nodeCount - this.#nodeCount }, (_none, number) => ({ name: `kwok-${this.#nodeCount + number}` }))
    await createNodes(this.#client, more)
    this.#nodeCount = nodeCount
    await this.#nodesReady()
    const result: Throughput = { nodeCount, with: [], without: [], nothing: [] }
    // Whoever is asked for the first time is still being compiled.
    for (const extender of [undefined, 'ours', 'nothing'] as const) await this.#turn(extender)
    const order = ['without', 'with', 'nothing'] as const
    // There and back: what gets slower by and by is so for all three.
    for (let turn = 0; turn < turns; turn++)
      for (const who of turn % 2 === 0 ? order : order.toReversed()) result[who].push(await this.#turn(extenderOf[who]))
    return result
  }

  /** The pods wait first; then a scheduler starts and its first to its last binding are timed. */
  async #turn(extender: Extender): Promise<number> {
    await this.#lab.control.run('systemctl', ['stop', 'kube-scheduler'])
    const pods = Array.from({ length: this.#podCount }, (_none, number) => fakePod(`pod-${number}`))
    await inParallel(pods, (pod) => this.#client.create(podPath('default'), pod))
    const bound = this.#watchBindings()
    const configuration = {
      ...parse(schedulerConfiguration()),
      // The client's own limit of 50 requests a second would be all that is measured.
      clientConnection: { kubeconfig: '/etc/kubernetes/scheduler.conf', qps: 5000, burst: 10_000 },
      ...(extender ? { extenders: [extender === 'ours' ? this.#ours.entry({ weight: 1 }) : nothingEntry] } : {}),
    }
    const beganMs = Date.now()
    await this.#lab.restartScheduler(stringify(configuration), this.#ours.files)
    await this.#onMeasuredProcessor()
    await bound
    const rate = rateOf(await this.#bindingTimes(beganMs))
    await this.#client.delete(`${podPath('default')}?labelSelector=${fakeLabel}`, { gracePeriodSeconds: 0 })
    await this.#until(async () => (await this.#pods('&limit=1')).length === 0)
    return rate
  }

  /** It and the extender ask and answer in turns, so the two need no more than one, with us and without us alike. */
  async #onMeasuredProcessor(): Promise<void> {
    await this.#pin(measuredProcessor, ['kube-scheduler'])
  }

  /** On a control plane of two processors all would wait for each other, and it would be that what is measured. */
  async #apart(...services: string[]): Promise<void> {
    await this.#pin(otherProcessor, services)
    for (const pid of [process.pid, this.#kwok?.pid]) await execa('taskset', ['-apc', String(otherProcessor), String(pid)])
  }

  async #pin(processor: number, services: readonly string[]): Promise<void> {
    const pids = services.map((service) => `$(systemctl show ${service} -p MainPID --value)`)
    await this.#lab.control.run('sh', ['-c', `for pid in ${pids.join(' ')}; do taskset -apc ${processor} $pid; done`])
  }

  /** By a watch: lists of thousands of pods would be a good part of what the API server has to do. */
  async #watchBindings(): Promise<void> {
    const ended = new AbortController()
    const bound = new Set<string>()
    const pods = new WatchCache<V1Pod>(this.#client, podPath('default'), { labelSelector: `${fakeLabel}=true` })
    const all = new Promise<void>((resolve) => {
      pods.onChange(({ object }) => {
        if (!object.spec?.nodeName) return
        bound.add(object.metadata?.name ?? '')
        if (bound.size === this.#podCount) resolve()
      })
    })
    await pods.start(ended.signal)
    await all
    ended.abort()
  }

  /** By the scheduler's own clock: what reaches this process through the API server comes in bursts when that is busy. */
  async #bindingTimes(sinceMs: number): Promise<number[]> {
    let times: number[] = []
    await this.#until(async () => {
      const { items } = await this.#client.list<EventsV1Event>(`${eventPath}?fieldSelector=reason%3DScheduled`)
      // The last of the turn before may have come after the others were deleted.
      times = items.map(({ eventTime }) => Date.parse(String(eventTime))).filter((atMs) => atMs >= sinceMs)
      return times.length >= enoughEvents * this.#podCount
    })
    await this.#client.delete(eventPath)
    return times
  }

  async #pods(query: string): Promise<V1Pod[]> {
    return (await this.#client.list<V1Pod>(`${podPath('default')}?labelSelector=${fakeLabel}${query}`)).items
  }

  async #nodesReady(): Promise<void> {
    await this.#until(async () => {
      const { items } = await this.#client.list<V1Node>(`${nodePath()}?labelSelector=${fakeLabel}`)
      return items.every(({ status }) => status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True'))
    })
  }

  async #until(holds: () => Promise<boolean>): Promise<void> {
    while (!(await holds())) await sleep(500)
  }
}
