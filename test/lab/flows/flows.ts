// Opens flows of every kind to and from one pod, and collects at each end what it saw.
import { setTimeout as sleep } from 'node:timers/promises'
import type { V1Pod } from '@kubernetes/client-node'
import { outsideAddress, outsideAddress6 } from '../hosts.ts'
import type { World } from '../product/world.ts'
import { said } from '../said.ts'
import { type Addresses, type KindOptions, type Order, type Origin, ordersOf } from './kinds.ts'
import { flowObjects, movedApp, peersApp } from './objects.ts'

export interface FlowReport {
  kind: string
  mode: Order['mode']
  requests: number
  bytes: number
  /** Datagrams that were asked for once more. */
  retried: number
  worstMs: number
  /** Answers that took long: when they came (epoch, ms), and how long. */
  gaps: [number, number][]
  error: string | null
  over: boolean
}

/** Both ends of a flow (its sources: the folder `traffic` here); every host has it. */
const program = 'lab-traffic'
/** Flows end when they are told to; this is for those that cannot be told. */
const longestSeconds = 1800
const lastAnswersMs = 1500
/** Connections are opened over this time; before it nothing is measured. */
const settleMs = 3000
/** As the traffic program spreads them. */
const betweenOpeningsMs = 3

export class Flows {
  readonly #world: World
  #outside: { stdin: { end(): void } } | undefined
  #clients: { reports: Promise<FlowReport[]>; stop(): void }[] = []
  #ordered: string[] = []

  constructor(world: World) {
    this.#world = world
  }

  async deploy(startNode: number): Promise<void> {
    const applied = await this.#world.apply(flowObjects(`node-${startNode}`))
    if (applied.exitCode !== 0) throw new Error(`deploying the flows' pods: ${applied.all}`)
    await this.#world.until('a peer on every node', async () => (await this.#peers()).length === this.#world.lab.options.nodes)
    await this.#world.pod(movedApp)
    const outside = [`::ffff:${outsideAddress}`, ...(this.#world.lab.options.stack === 'dual' ? [outsideAddress6] : [])]
    const server = this.#world.lab.client.run(program, ['serve', ...outside], {
      reject: false,
      stdin: 'pipe',
    })
    this.#outside = server
    await this.#serviceAnswers(movedApp)
    await this.#serviceAnswers(peersApp)
  }

  pod(): Promise<V1Pod> {
    return this.#world.pod(movedApp)
  }

  /** One of each family that the lab has. */
  async podIps(): Promise<string[]> {
    return addressesOf(await this.pod())
  }

  /** Returns how many there are, when all are open. */
  async open(options: Omit<KindOptions, 'startNode' | 'nodes'>, choose: typeof ordersOf = ordersOf): Promise<number> {
    const pod = await this.pod()
    const startNode = Number(pod.spec?.nodeName?.replace('node-', ''))
    const orders = choose(await this.#addresses(pod), { ...options, startNode, nodes: this.#world.lab.options.nodes })
    const peers = await this.#peers()
    this.#clients = []
    this.#ordered = []
    for (const [origin, own] of orders) await this.#start(origin, own, { pod, peers })
    await sleep(settleMs + betweenOpeningsMs * Math.max(...[...orders.values()].flat().map(({ count }) => count)))
    return [...orders.values()].flat().reduce((sum, { count }) => sum + count, 0)
  }

  /** Ends the flows, each after its last answer. What all ends saw. */
  async close(): Promise<FlowReport[]> {
    for (const client of this.#clients) client.stop()
    await Promise.all(this.#ordered.map((address) => this.#order(address, { stop: true })))
    const outer = (await Promise.all(this.#clients.map(({ reports }) => reports))).flat()
    await sleep(lastAnswersMs)
    const inner = await Promise.all(this.#ordered.map((address) => this.#order(address, {})))
    return [...outer, ...inner.flat()]
  }

  async remove(): Promise<void> {
    this.#outside?.stdin.end()
    const services = [movedApp, `${movedApp}-port`, `${movedApp}-local`, peersApp].map((name) => `service/${name}`)
    await this.#world.remove(`deployment/${movedApp}`, `daemonset/${peersApp}`, ...services)
  }

  async #start(origin: Origin, orders: Order[], { pod, peers }: { pod: V1Pod; peers: string[] }): Promise<void> {
    const { lab } = this.#world
    const args = ['client', String(longestSeconds), JSON.stringify(orders)]
    const options = { reject: false, all: true, stdin: 'pipe' } as const
    if (origin === 'outside') this.#clients.push(clientOf(lab.client.run(program, args, options)))
    else if (origin.startsWith('node-')) this.#clients.push(clientOf(lab.node(origin).run(program, args, options)))
    else {
      const address = origin === 'moved' ? (pod.status?.podIP ?? '') : (peers[Number(origin.replace('pod-', '')) - 1] ?? '')
      this.#ordered.push(address)
      await this.#order(address, { open: orders, seconds: longestSeconds })
    }
  }

  async #order(address: string, order: object): Promise<FlowReport[]> {
    const args = ['order', address, JSON.stringify(order)]
    return reportOf(this.#world.lab.client.run(program, args, { reject: false, all: true }))
  }

  async #addresses(pod: V1Pod): Promise<Addresses[]> {
    const [serviceIps, peersIps, peers] = await Promise.all([
      this.#world.serviceAddresses(movedApp),
      this.#world.serviceAddresses(peersApp),
      this.#peerPods(),
    ])
    return addressesOf(pod).map((podIp, family) => {
      const peerIps = peers.map((peer) => addressesOf(peer)[family] ?? '')
      return { podIp, serviceIp: serviceIps[family] ?? '', peersIp: peersIps[family] ?? '', peerIps }
    })
  }

  async #peers(): Promise<string[]> {
    return (await this.#peerPods()).map((pod) => pod.status?.podIP ?? '')
  }

  /** By the number of their node. */
  async #peerPods(): Promise<V1Pod[]> {
    const pods = await this.#world.pods(peersApp)
    const ready = pods.filter((pod) => pod.status?.containerStatuses?.every((one) => one.ready))
    return ready.toSorted((a, b) => (a.spec?.nodeName ?? '').localeCompare(b.spec?.nodeName ?? ''))
  }

  async #serviceAnswers(name: string): Promise<void> {
    const addresses = await this.#world.serviceAddresses(name)
    const orders = addresses.map((address) => ({ kind: 'look', mode: 'request', address, port: 7000, count: 1, periodMs: 100 }))
    const args = ['client', '0.1', JSON.stringify(orders)]
    await this.#world.until(`Service ${name} to answer`, async () => {
      const looks = await reportOf(this.#world.lab.client.run(program, args, { reject: false, all: true, stdin: 'ignore' }))
      return looks.every(({ error }) => error === null)
    })
  }
}

function addressesOf(pod: V1Pod): string[] {
  return pod.status?.podIPs?.flatMap(({ ip }) => ip ?? []) ?? []
}

type Running = Parameters<typeof said>[0] & { stdin: { end(): void } }

function clientOf(command: Running): { reports: Promise<FlowReport[]>; stop(): void } {
  const reports = reportOf(command)
  // Said to whoever asks for them: when a lab ends with its clients after another error, that one is to be seen.
  reports.catch(() => undefined)
  return { reports, stop: () => command.stdin.end() }
}

async function reportOf(command: Parameters<typeof said>[0]): Promise<FlowReport[]> {
  const { stdout, all, exitCode } = await said(command)
  const line = stdout.trim().split('\n').at(-1) ?? ''
  if (!line.startsWith('['))
    throw new Error(`asking a traffic program for its report: it ended with ${exitCode} (128: by a signal): ${all.slice(-2000)}`)
  return JSON.parse(line)
}
