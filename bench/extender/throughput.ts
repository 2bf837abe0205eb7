// Pods a second of a real kube-scheduler over kwok nodes, with and without our extender, in turns, in one lab.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { KubeConfig, type V1Node, type V1Pod } from '@kubernetes/client-node'
import { parse, stringify } from 'yaml'
import { KubeClient } from '../../src/kube/client.ts'
import { nodePath, podPath } from '../../src/kube/paths.ts'
import { schedulerConfiguration } from '../../test/lab/config/scheduler.ts'
import { createNodes, fakeLabel, fakePod, inParallel } from '../../test/lab/extender/fake-nodes.ts'
import { OurExtender, type Program } from '../../test/lab/extender/our-extender.ts'
import { Lab } from '../../test/lab/lab.ts'
import { kwokStep } from '../../test/lab/setup/kwok.ts'
import { cachedDir } from '../../test/lab/setup/step.ts'

import { firstInLineCommand } from './first-in-line.ts'

export interface Throughput {
  nodeCount: number
  /** Pods a second of each turn. */
  with: number[]
  without: number[]
}

const stages = fileURLToPath(new URL('../../test/lab/extender/kwok-stages.yaml', import.meta.url))
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

class Bench {
  readonly #lab: Lab
  readonly #client: KubeClient
  readonly #ours: OurExtender
  readonly #podCount: number
  #kwok: Program | undefined
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
    await this.#ours.start({ first: true })
  }

  async end(): Promise<void> {
    this.#kwok?.kill('SIGKILL')
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
    const result: Throughput = { nodeCount, with: [], without: [] }
    await this.#turn(false)
    for (let turn = 0; turn < turns; turn++) {
      result.without.push(await this.#turn(false))
      result.with.push(await this.#turn(true))
    }
    return result
  }

  /** The pods wait first; then a scheduler starts and its first to its last binding are timed. */
  async #turn(withOurs: boolean): Promise<number> {
    await this.#lab.control.run('systemctl', ['stop', 'kube-scheduler'])
    const pods = Array.from({ length: this.#podCount }, (_none, number) => fakePod(`pod-${number}`))
    await inParallel(pods, (pod) => this.#client.create(podPath('default'), pod))
    const bound = this.#watchBindings()
    const configuration = {
      ...parse(schedulerConfiguration()),
      // The client's own limit of 50 requests a second would be all that is measured.
      clientConnection: { kubeconfig: '/etc/kubernetes/scheduler.conf', qps: 5000, burst: 10_000 },
      ...(withOurs ? { extenders: [this.#ours.entry({ weight: 1 })] } : {}),
    }
    await this.#lab.restartScheduler(stringify(configuration), this.#ours.files)
    await this.#beFirst()
    const rate = await bound
    await this.#client.delete(`${podPath('default')}?labelSelector=${fakeLabel}`, { gracePeriodSeconds: 0 })
    await this.#until(async () => (await this.#pods('?limit=1')).length === 0)
    return rate
  }

  /** Whatever else the machine does waits: with and without us alike. */
  async #beFirst(): Promise<void> {
    const pid = (service: string) => `$(systemctl show ${service} -p MainPID --value)`
    const services = ['kube-scheduler', 'kube-apiserver', 'etcd'].map(pid).join(' ')
    await this.#lab.control.run('sh', ['-c', firstInLineCommand(services)])
  }

  async #watchBindings(): Promise<number> {
    const samples: { atMs: number; bound: number }[] = []
    let bound = 0
    while (bound < this.#podCount) {
      await sleep(250)
      bound = (await this.#pods('&fieldSelector=spec.nodeName!=')).length
      samples.push({ atMs: performance.now(), bound })
    }
    return rateOf(samples, this.#podCount)
  }

  async #pods(query: string): Promise<V1Pod[]> {
    return (await this.#client.list<V1Pod>(`${podPath('default')}?labelSelector=${fakeLabel}${query.replace('?', '&')}`)).items
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

/** Between the first sample with more than a tenth bound and the last: start and end of a scheduler are slower. */
function rateOf(samples: readonly { atMs: number; bound: number }[], podCount: number): number {
  const first = samples.find(({ bound }) => bound > podCount / 10)
  const last = samples.find(({ bound }) => bound === podCount)
  if (!first || !last || first === last) return podCount
  return (1000 * (last.bound - first.bound)) / (last.atMs - first.atMs)
}
