// What the product's lab tests do over and over: apply, look, wait, migrate, talk to a pod.
import { setTimeout as sleep } from 'node:timers/promises'
import type { V1Pod } from '@kubernetes/client-node'
import { apiVersion } from '../../../src/api/names.ts'
import { isTerminal } from '../../../src/api/phases.ts'
import type { PodMigration } from '../../../src/api/pod-migration.ts'
import type { Lab } from '../lab.ts'
import { type Said, said } from '../said.ts'
import { type EchoOptions, echoClient, echoManifests } from '../workloads/echo.ts'

export class World {
  readonly lab: Lab
  #migrations = 0

  constructor(lab: Lab) {
    this.lab = lab
  }

  kubectl(...args: string[]): Promise<Said> {
    return said(this.lab.kubectl(args, { reject: false, all: true }))
  }

  apply(object: object): Promise<Said> {
    return said(this.lab.kubectl(['apply', '-f', '-'], { input: JSON.stringify(object), reject: false, all: true }))
  }

  async get<T>(...what: string[]): Promise<T | undefined> {
    const { stdout, exitCode } = await this.kubectl('get', ...what, '-o', 'json')
    return exitCode === 0 ? (JSON.parse(stdout) as T) : undefined
  }

  async list<T>(...what: string[]): Promise<T[]> {
    return (await this.get<{ items: T[] }>(...what))?.items ?? []
  }

  /** The pods of an app that run and are not on their way out. */
  async pods(app: string): Promise<V1Pod[]> {
    const pods = await this.list<V1Pod>('pods', '-l', `app=${app}`)
    return pods.filter((pod) => !pod.metadata?.deletionTimestamp && pod.status?.phase === 'Running')
  }

  async pod(app: string): Promise<V1Pod> {
    return await this.until(`one running pod of ${app}`, async () => {
      const pods = await this.pods(app)
      return pods.length === 1 && pods[0]?.status?.containerStatuses?.every((one) => one.ready) ? pods[0] : undefined
    })
  }

  async deployEchos(options: EchoOptions): Promise<void> {
    const applied = await this.apply(echoManifests(options))
    if (applied.exitCode !== 0) throw new Error(`deploying ${options.name}: ${applied.all}`)
  }

  /** An echo pod that runs and answers through its Service. */
  async deployEcho(options: EchoOptions): Promise<V1Pod> {
    await this.deployEchos(options)
    const pod = await this.pod(options.name)
    await this.answers(options.name)
    return pod
  }

  /** Several echo pods that all run on one node; only while they are created there is no other place for them. */
  async deployEchosOn(nodeName: string, options: EchoOptions): Promise<V1Pod[]> {
    const others = this.lab.nodes.map((node) => node.name).filter((name) => name !== nodeName)
    await this.kubectl('cordon', ...others)
    try {
      await this.deployEchos(options)
      return await this.until(`${options.replicas} pods of ${options.name} on ${nodeName}`, async () => {
        const ready = (await this.pods(options.name)).filter((pod) => pod.status?.containerStatuses?.every((one) => one.ready))
        return ready.length === options.replicas && ready
      })
    } finally {
      await this.kubectl('uncordon', ...others)
    }
  }

  /** kube-proxy needs a moment after the pod is ready. */
  async answers(service: string): Promise<void> {
    const address = await this.serviceAddress(service)
    await this.until(`Service ${service} to answer`, async () => (await this.talk(address, 0.1, 1)).errors.length === 0)
  }

  /** Asks until there is an answer; the error says what was waited for. */
  async until<T>(what: string, ask: () => Promise<T | undefined | false>, timeoutMs = 90_000): Promise<T> {
    const endMs = Date.now() + timeoutMs
    while (Date.now() < endMs) {
      const answer = await ask()
      if (answer !== undefined && answer !== false) return answer
      await sleep(300)
    }
    throw new Error(`waited ${timeoutMs / 1000} s for ${what}`)
  }

  migration(spec: Record<string, unknown>, name = `move-${process.pid}-${this.#migrations++}`) {
    const defaults = { podNamespace: 'default', tcpPreservationMode: 'Strict', freezeWindowBudgetMs: 8000 }
    return { apiVersion, kind: 'PodMigration', metadata: { name, namespace: 'default' }, spec: { ...defaults, ...spec } }
  }

  /** Creates a PodMigration and waits for its end. */
  async migrate(podName: string, spec: Record<string, unknown> = {}): Promise<PodMigration> {
    const wanted = this.migration({ podName, ...spec })
    const applied = await this.apply(wanted)
    if (applied.exitCode !== 0) throw new Error(`applying a PodMigration of ${podName}: ${applied.all}`)
    return await this.ended(wanted.metadata.name)
  }

  /** One kubectl that waits: starting it again and again takes a good part of two cores from what is moved. */
  async ended(name: string, timeoutMs = 180_000): Promise<PodMigration> {
    const endMs = Date.now() + timeoutMs
    await this.kubectl('wait', `podmigration/${name}`, '--for=jsonpath={.status.completedAt}', `--timeout=${timeoutMs}ms`)
    let last: PodMigration | undefined
    try {
      return await this.until(
        `the end of PodMigration ${name}`,
        async () => {
          last = await this.get<PodMigration>('podmigration', name)
          return isTerminal(last?.status?.phase) && last
        },
        Math.max(1000, endMs - Date.now()),
      )
    } catch (error) {
      const { phase, message, timeline = [] } = last?.status ?? {}
      throw new Error(`${name} is ${phase} (${message}) after ${timeoutMs / 1000} s, last ${JSON.stringify(timeline.at(-1))}`, {
        cause: error,
      })
    }
  }

  /** Clients outside the cluster that talk to `address` for some seconds, or until a signal; start it, move the pod, await it. */
  async talk(address: string, seconds: number, connections = 8, until?: AbortSignal): Promise<Talk> {
    const args = ['-c', echoClient, address, String(seconds), String(connections)]
    const client = this.lab.client.run('python3', args, { reject: false, all: true })
    until?.addEventListener('abort', () => client.stdin?.end())
    const { stdout, all } = await said(client)
    if (!stdout) throw new Error(`talking to ${address}: ${all}`)
    return JSON.parse(stdout)
  }

  async serviceAddress(name: string): Promise<string> {
    return (await this.kubectl('get', 'service', name, '-o', 'jsonpath={.spec.clusterIP}')).stdout
  }

  /** One of each family that the cluster has. */
  async serviceAddresses(name: string): Promise<string[]> {
    return (await this.kubectl('get', 'service', name, '-o', 'jsonpath={.spec.clusterIPs[*]}')).stdout.split(' ')
  }

  async exec(pod: V1Pod, container: string, ...command: string[]): Promise<Said> {
    return await this.kubectl('exec', pod.metadata?.name ?? '', '-c', container, '--', ...command)
  }

  async remove(...what: string[]): Promise<void> {
    await this.kubectl('delete', ...what, '--ignore-not-found', '--timeout=60s')
  }
}

export interface Talk {
  requests: number
  errors: string[]
  worstMs: number
  hosts: string[]
  /** The highest number that the pod answered with. */
  counter: number
}
