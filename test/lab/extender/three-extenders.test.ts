// A real kube-scheduler with three extenders, ours among two test doubles: pods go where the sum of the scores says, whatever happens to ours.
import { setTimeout as sleep } from 'node:timers/promises'
import { KubeConfig, type V1Pod } from '@kubernetes/client-node'
import { expect } from 'chai'
import { parse, stringify } from 'yaml'
import type { HostPriority } from '../../../src/api/extender-wire.ts'
import { KubeClient } from '../../../src/kube/client.ts'
import { nodeMigrationCapacityPath, nodePath, podMigrationPath, podPath } from '../../../src/kube/paths.ts'
import type { ApiProxy } from '../api-proxy.ts'
import { schedulerConfiguration } from '../config/scheduler.ts'
import { Lab } from '../lab.ts'
import { projectRoot } from '../layout.ts'
import { doubleScore } from './double-score.ts'
import { createNodes, type FakePod, fakeLabel, fakePod, reportCapacity } from './fake-nodes.ts'
import { OurExtender, type Program } from './our-extender.ts'

// Not the lab of the other tests: they have the product's own entry in the scheduler's configuration.
const labName = process.env.EXTENDER_LAB ?? 'extender-test'
const nodeNames = ['fake-1', 'fake-2', 'fake-3', 'fake-4', 'fake-5']
const weights = { ours: 3, first: 2, second: 1 }
const [firstPort, secondPort, relayPort] = [9101, 9102, 9103]

describe('three extenders', function () {
  this.timeout(240_000)
  let lab: Lab
  let wasUp: boolean
  let proxy: ApiProxy
  let client: KubeClient
  let ours: OurExtender
  let relay: Program
  const running: Program[] = []
  let count = 0

  const program = (name: string, ...args: (string | number)[]): Program => {
    const started = lab.control.runHere(process.execPath, ['--import', 'tsx', `test/lab/extender/${name}.ts`, ...args.map(String)], {
      cwd: projectRoot,
      reject: false,
      stdio: ['pipe', 'ignore', 'inherit'],
    }) as unknown as Program
    running.push(started)
    return started
  }

  before(async () => {
    wasUp = Lab.isUp(labName)
    lab = wasUp ? Lab.attach(labName) : await Lab.up({ name: labName, nodes: 1 })
    proxy = await lab.apiProxy()
    client = KubeClient.fromConfig(configOf(proxy))
    ours = await OurExtender.prepare(lab)
    await createNodes(
      client,
      nodeNames.map((name, position) => ({ name, cpu: String(4 + 8 * position) })),
    )
    for (const name of nodeNames) await reportCapacity(client, name)
    program('double', firstPort, 'first')
    program('double', secondPort, 'second')
    relay = program('relay', relayPort, ours.port)
    await ours.start()
    await useExtenders(true)
  })

  after(async () => {
    await ours?.remove()
    for (const started of running) started.kill('SIGKILL')
    await lab?.restartScheduler(schedulerConfiguration())
    if (client) await removePods()
    await lab?.kubectl(['delete', 'nodes', '-l', fakeLabel], { reject: false })
    await lab?.kubectl(['delete', 'podmigrations,nodemigrationcapacities', '--all'], { reject: false })
    await proxy?.close()
    if (!wasUp && !process.env.LAB_KEEP) await Lab.remove(labName)
  })

  /** No scores but the extenders'. The two doubles get their nodes in the two forms that there are. */
  async function useExtenders(nodeCacheCapable: boolean): Promise<void> {
    const double = (port: number, weight: number, more: object) => ({
      urlPrefix: `http://127.0.0.1:${port}`,
      filterVerb: 'filter',
      prioritizeVerb: 'prioritize',
      weight,
      ...more,
    })
    const configuration = {
      ...parse(schedulerConfiguration()),
      profiles: [{ schedulerName: 'default-scheduler', plugins: { score: { disabled: [{ name: '*' }] } } }],
      extenders: [
        double(firstPort, weights.first, { nodeCacheCapable: true }),
        ours.entry({ weight: weights.ours, nodeCacheCapable, port: relayPort }),
        double(secondPort, weights.second, { nodeCacheCapable: false }),
      ],
    }
    await lab.restartScheduler(stringify(configuration), ours.files)
  }

  async function schedule(wish: FakePod = {}): Promise<{ pod: ReturnType<typeof fakePod>; nodeName: string; tookMs: number }> {
    const pod = fakePod(`pod-${++count}`, wish)
    const startMs = performance.now()
    await client.create(podPath('default'), pod)
    for (;;) {
      const nodeName = (await client.get<V1Pod>(podPath('default', pod.metadata.name))).spec?.nodeName
      if (nodeName) return { pod, nodeName, tookMs: performance.now() - startMs }
      if (performance.now() - startMs > 60_000) throw new Error(`Scheduling ${pod.metadata.name}: nobody did within a minute`)
      await sleep(50)
    }
  }

  /** At once: no kubelet would ever say that they have ended. */
  const removePods = () => client.delete(`${podPath('default')}?labelSelector=${fakeLabel}`, { gracePeriodSeconds: 0 })

  /** Keeps 20 cores of a node; the controller of these tests does not lead, so nobody goes on with it. */
  async function openMigration(podName: string, nodeName: string): Promise<void> {
    await client.create(podMigrationPath('default'), {
      apiVersion: 'podmotion.io/v1alpha1',
      kind: 'PodMigration',
      metadata: { name: 'held', namespace: 'default' },
      spec: { podName, podNamespace: 'default' },
    })
    const reservation = { nodeName, cpuMillis: 20_000, memoryBytes: 2 ** 30 }
    await client.mergePatch(podMigrationPath('default', 'held', 'status'), { status: { phase: 'PreCopyMemory', reservation } })
    await until(async () => (await ours.metrics()).includes(`podmotion_reservations{node="${nodeName}"} 1`))
  }

  /** The scheduler is not told of it: it tries again with the next change in the cluster, a node's label for instance. */
  async function endMigration(nodeName: string, changed: string): Promise<void> {
    await client.delete(podMigrationPath('default', 'held'))
    await until(async () => (await ours.metrics()).includes(`podmotion_reservations{node="${nodeName}"} 0`))
    await client.mergePatch(nodePath(changed), { metadata: { labels: { changed: String(performance.now()) } } })
  }

  const doubles = (pod: string, node: string) =>
    weights.first * doubleScore('first', pod, node) + weights.second * doubleScore('second', pod, node)

  /** Nodes with the highest sum; ours is asked again, as it was before the pod had a node. */
  async function bestFor(pod: object & { metadata: { name: string } }): Promise<string[]> {
    const scores = await ours.ask<HostPriority[]>('prioritize', { Pod: pod, Nodes: null, NodeNames: nodeNames })
    expect(scores.map(({ Host }) => Host)).to.deep.equal(nodeNames)
    expect(new Set(scores.map(({ Score }) => Score)).size).to.be.greaterThan(1)
    return best(scores.map(({ Host, Score }) => [Host, weights.ours * Score + doubles(pod.metadata.name, Host)]))
  }

  function best(sums: (readonly [string, number])[]): string[] {
    const most = Math.max(...sums.map(([, sum]) => sum))
    return sums.filter(([, sum]) => sum === most).map(([name]) => name)
  }

  for (const nodeCacheCapable of [true, false])
    it(`places pods as the sum of the scores says (nodeCacheCapable ${nodeCacheCapable})`, async () => {
      await useExtenders(nodeCacheCapable)
      for (let round = 0; round < 6; round++) {
        const { pod, nodeName } = await schedule({ runtimeClassName: 'podmotion', cpu: '1' })
        expect(await bestFor(pod), `${pod.metadata.name} on ${nodeName}`).to.include(nodeName)
      }
    })

  it('places ordinary pods as the doubles say', async () => {
    for (let round = 0; round < 4; round++) {
      const { pod, nodeName } = await schedule()
      expect(best(nodeNames.map((name) => [name, doubles(pod.metadata.name, name)]))).to.include(nodeName)
    }
  })

  it('keeps reserved room: a pod that fits nowhere else waits, says why, and is placed once the room is free', async () => {
    const large = 'fake-5'
    await openMigration('cart', large)
    const pod = fakePod('waiting', { cpu: '29' })
    await client.create(podPath('default'), pod)
    const seen = () => client.get<V1Pod>(podPath('default', 'waiting'))
    await until(async () =>
      (await seen()).status?.conditions?.some(({ message }) => message?.includes('room is reserved for a live migration')),
    )
    expect((await seen()).spec?.nodeName).to.equal(undefined)
    await endMigration(large, large)
    await until(async () => (await seen()).spec?.nodeName === large)
  })

  it('preempts nobody who is being moved, and somebody once the move is over', async () => {
    const urgent = { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name: 'urgent' }, value: 1000 }
    await lab.kubectl(['apply', '-f', '-'], { input: JSON.stringify(urgent) })
    // What earlier tests left there would do as victims as well.
    await removePods()
    const { pod } = await schedule({ cpu: '3', only: 'fake-1' })
    await openMigration(pod.metadata.name, 'fake-4')
    await client.create(podPath('default'), fakePod('pressing', { cpu: '3', only: 'fake-1', priorityClassName: 'urgent' }))
    const seen = () => client.get<V1Pod>(podPath('default', 'pressing'))
    await until(async () => /podmotion_extender_request_seconds_count\{verb="preempt"\} [1-9]/.test(await ours.metrics()))
    await until(async () => (await seen()).status?.conditions?.some(({ reason }) => reason === 'Unschedulable'))
    expect((await seen()).status?.nominatedNodeName).to.equal(undefined)
    expect((await client.get<V1Pod>(podPath('default', pod.metadata.name))).metadata?.deletionTimestamp).to.equal(undefined)
    await endMigration('fake-4', 'fake-1')
    await until(async () => (await seen()).spec?.nodeName === 'fake-1')
    const victims = await client.list<V1Pod>(podPath('default'))
    expect(victims.items.map(({ metadata }) => metadata?.name)).not.to.include(pod.metadata.name)
  })

  it('goes on when ours is killed, and listens to it again when it is back', async () => {
    await ours.kill()
    const { pod, nodeName, tookMs } = await schedule({ runtimeClassName: 'podmotion' })
    expect(best(nodeNames.map((name) => [name, doubles(pod.metadata.name, name)]))).to.include(nodeName)
    expect(tookMs).to.be.lessThan(10_000)
    await ours.start()
    const again = await schedule({ runtimeClassName: 'podmotion', cpu: '1' })
    expect(await bestFor(again.pod)).to.include(again.nodeName)
  })

  it('goes on when ours takes 2 s for everything', async () => {
    relay.stdin?.write('2000\n')
    const { pod, nodeName, tookMs } = await schedule({ runtimeClassName: 'podmotion' })
    expect(best(nodeNames.map((name) => [name, doubles(pod.metadata.name, name)]))).to.include(nodeName)
    expect(tookMs).to.be.lessThan(15_000)
    relay.stdin?.write('0\n')
    const again = await schedule({ runtimeClassName: 'podmotion', cpu: '1' })
    expect(await bestFor(again.pod)).to.include(again.nodeName)
    expect(await client.list(nodeMigrationCapacityPath()))
      .to.have.property('items')
      .with.length(nodeNames.length)
  })

  it('counts what it answered', async () => {
    expect(await ours.metrics()).to.match(/podmotion_extender_request_seconds_count\{verb="prioritize"\} [1-9]/)
  })
})

function configOf(proxy: ApiProxy): KubeConfig {
  const config = new KubeConfig()
  config.loadFromString(proxy.kubeconfig)
  return config
}

async function until(holds: () => Promise<unknown>, withinMs = 60_000): Promise<void> {
  const endMs = performance.now() + withinMs
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`Waiting: ${holds} did not come true within ${withinMs} ms`)
    await sleep(100)
  }
}
