// Carries out the plan: faults, and what people do, each at its time or at its point of a move.
import { annotations } from '../../src/api/names.ts'
import { PodMigrationSpec } from '../../src/api/pod-migration.ts'
import type { Thing } from './api-server.ts'
import type { Replica } from './controllers.ts'
import type { Dice } from './dice.ts'
import { Kubelet, pathOf } from './kubelet.ts'
import type { SimNode } from './node.ts'
import { runs } from './node.ts'
import { describeEvent, type Event, type Happening, type Plan, type Side } from './plan.ts'
import type { World } from './world.ts'

const namespace = 'shop'
const nodesPath = '/api/v1/nodes'

export class Happenings {
  readonly #world: World
  readonly #replicas: readonly Replica[]
  readonly #dice: Dice
  readonly #counts = new Map<string, number>()
  readonly kubelets = new Map<string, Kubelet>()
  #names = 0
  #lost = 0
  #healed = false

  constructor(world: World, replicas: readonly Replica[]) {
    this.#world = world
    this.#replicas = replicas
    this.#dice = world.dice.fork('happenings')
  }

  plan({ events }: Plan): void {
    for (const event of events) {
      if ('atMs' in event.when) this.#world.loop.at(event.when.atMs, () => this.#happen(event, undefined, undefined))
    }
    const waiting = events.filter(({ when }) => 'label' in when)
    this.#world.onPoint((node, label, uid) => this.#strike(waiting, node, label, uid))
  }

  /** No new faults from here on, and the old ones are over. */
  heal(): void {
    this.#healed = true
    const { wire, door } = this.#world
    wire.heal()
    door.trouble.downUntilMs = 0
    door.trouble.errors = 0
    door.trouble.silentUntilMs = 0
    for (const node of this.#world.nodes) {
      node.journals.full = false
      if (!node.up && !node.gone) this.#boot(node)
      else if (!node.gone && !this.#world.agents().some((agent) => agent.node === node)) this.#world.startAgent(node)
    }
    for (const replica of this.#replicas) if (!replica.alive) replica.start()
    for (const node of this.#world.server.all(nodesPath)) this.#cordon(node.metadata.name, false)
    this.#world.tell('plan', 'everything is healed')
  }

  #strike(waiting: readonly Event[], node: SimNode, label: string, uid: string): void {
    const count = (this.#counts.get(label) ?? 0) + 1
    this.#counts.set(label, count)
    for (const event of waiting) {
      const { when } = event
      if (!('label' in when) || when.label !== label || when.count !== count) continue
      if (when.delayMs === 0) this.#happen(event, node, uid)
      else this.#world.loop.after(when.delayMs, () => this.#happen(event, node, uid))
    }
  }

  #happen(event: Event, here: SimNode | undefined, uid: string | undefined): void {
    if (this.#healed && event.what.kind !== 'move') return
    this.#world.tell('plan', describeEvent(event))
    this.#do(event.what, here, uid)
  }

  #do(what: Happening, here: SimNode | undefined, uid: string | undefined): void {
    const { wire, door, loop } = this.#world
    switch (what.kind) {
      case 'move':
        return this.#move(what)
      case 'killAgent':
        return this.#killAgent(this.#node(what.side, here, uid), what.downMs)
      case 'killController':
        return this.#killController(what.replica, what.downMs)
      case 'reboot':
        return this.#reboot(this.#node(what.side, here, uid), what.downMs)
      case 'powerOffForGood':
        return this.#powerOffForGood(this.#node(what.side, here, uid), what)
      case 'cut':
        wire.cut(what.from, what.to, what.ms)
        if (what.bothWays) wire.cut(what.to, what.from, what.ms)
        return
      case 'cutMove':
        return this.#cutMove(what, this.#node('source', here, uid), this.#node('destination', here, uid))
      case 'muteSource':
        for (const { name } of this.#replicas) wire.cut(this.#node('source', here, uid)?.name ?? '', name, what.ms)
        return
      case 'wire':
        wire.trouble = { loss: what.loss, duplication: what.duplication, lateness: what.lateness }
        return loop.after(what.ms, () => (wire.trouble = { loss: 0, duplication: 0, lateness: 0 }))
      case 'apiDown':
        door.trouble.downUntilMs = loop.nowMs + what.ms
        return
      case 'apiErrors':
        door.trouble.errors = what.chance
        return loop.after(what.ms, () => (door.trouble.errors = 0))
      case 'watchesSilent':
        door.trouble.silentUntilMs = loop.nowMs + what.ms
        return
      case 'compact':
        return this.#world.server.compact()
      default:
        return this.#doMore(what, here, uid)
    }
  }

  #doMore(what: Happening, here: SimNode | undefined, uid: string | undefined): void {
    switch (what.kind) {
      case 'standStill':
        if (what.side === 'controllers') for (const replica of this.#replicas) replica.standStill(what.ms)
        else
          this.#world
            .agents()
            .find((agent) => agent.node === this.#node(what.side as Side, here, uid))
            ?.life.standStill(what.ms)
        return
      case 'clockJump':
        if (what.side === 'controllers') for (const replica of this.#replicas) replica.clock.offsetMs += what.ms
        else this.#jump(this.#node(what.side, here, uid), what.ms)
        return
      case 'diskFull':
        return this.#fillDisk(this.#node(what.side, here, uid), what.ms, what.eatsReserve)
      case 'letInFails':
        return this.#failLettingIn(this.#node(what.side, here, uid), what.ms)
      case 'crashContainer':
        return this.#crash(this.#pod(what.pod))
      case 'crashCopy':
        return this.#crash(this.#podOf(uid, 'destinationPodName'))
      case 'deleteSource':
        return this.#deletePod(this.#podOf(uid, 'sourcePodName'))
      case 'deleteDestination':
        return this.#deletePod(this.#podOf(uid, 'destinationPodName'))
      case 'deleteMigration':
        return this.#deleteMigration(uid)
      case 'secondMove':
        return this.#secondMove(uid, what.target)
      case 'drain':
        return this.#drain(this.#node(what.side, here, uid), what.uncordonAfterMs)
      case 'scale':
        return this.#patchSet({ spec: { replicas: what.replicas } })
      case 'deleteReplicaSet':
        return this.#deleteSet()
      default:
        throw new Error(`nobody knows how to do ${what.kind}`)
    }
  }

  #failLettingIn(node: SimNode | undefined, ms: number): void {
    if (!node) return
    node.letsNothingIn = true
    this.#world.loop.after(ms, () => (node.letsNothingIn = false))
  }

  #cutMove({ way, ms }: Extract<Happening, { kind: 'cutMove' }>, source: SimNode | undefined, destination: SimNode | undefined): void {
    if (!source || !destination) return
    if (way !== 'back') this.#world.wire.cut(source.name, destination.name, ms)
    if (way !== 'forth') this.#world.wire.cut(destination.name, source.name, ms)
  }

  // ---- who is meant

  #node(side: Side, here: SimNode | undefined, uid: string | undefined): SimNode | undefined {
    const { sourceNode, destinationNode } = (uid === undefined ? undefined : this.#migration(uid)?.status) ?? {}
    const names: Partial<Record<Side, string | undefined>> = { source: sourceNode, destination: destinationNode, here: here?.name }
    const name = side in names ? names[side] : side
    return this.#world.nodes.find((node) => node.name === name) ?? here
  }

  #pods(): Thing[] {
    return this.#world.pods().filter((pod) => pod.metadata.namespace === namespace && pod.spec.nodeName && !pod.metadata.deletionTimestamp)
  }

  #pod(number: number): Thing | undefined {
    const pods = this.#pods().filter((pod) => pod.metadata.labels?.app !== undefined)
    return pods[number % Math.max(1, pods.length)]
  }

  #migration(uid: string | undefined): Thing | undefined {
    const all = this.#world.migrations()
    return uid === undefined ? all.at(-1) : all.find((one) => one.metadata.uid === uid)
  }

  #podOf(uid: string | undefined, field: 'sourcePodName' | 'destinationPodName'): Thing | undefined {
    const name: string | undefined = this.#migration(uid)?.status?.[field]
    return this.#pods().find((pod) => pod.metadata.name === name)
  }

  // ---- moves, by people

  #move(what: Extract<Happening, { kind: 'move' }>): void {
    const pod = this.#pod(what.pod)
    if (pod) this.#createMigration(pod, what.target, what)
  }

  #createMigration(pod: Thing, target: number, more: { budgetMs: number; completionSeconds: number; keep: boolean }): void {
    const targetNodeName = target < 0 ? undefined : this.#world.nodes[target]?.name
    const name = `move-${++this.#names}`
    const spec = PodMigrationSpec.parse({
      podName: pod.metadata.name,
      podNamespace: namespace,
      ...(targetNodeName === undefined || targetNodeName === pod.spec.nodeName ? {} : { targetNodeName }),
      tcpPreservationMode: 'Strict',
      freezeWindowBudgetMs: more.budgetMs,
      completionTimeoutSeconds: more.completionSeconds,
      rollbackOnFailure: !more.keep,
    })
    try {
      this.#world.server.create('person', `/apis/podmotion.io/v1alpha1/namespaces/${namespace}/podmigrations`, {
        kind: 'PodMigration',
        apiVersion: 'podmotion.io/v1alpha1',
        metadata: { name } as Thing['metadata'],
        spec,
      })
    } catch (error) {
      this.#world.tell('person', `${name} was refused: ${String(error)}`)
    }
  }

  #secondMove(uid: string | undefined, target: number): void {
    const pod = this.#podOf(uid, 'sourcePodName')
    if (pod) this.#createMigration(pod, target, { budgetMs: 700, completionSeconds: 60, keep: false })
  }

  #deleteMigration(uid: string | undefined): void {
    const migration = this.#migration(uid)
    if (migration) this.#world.server.delete('person', migrationPath(migration))
  }

  // ---- programs and machines

  #killAgent(node: SimNode | undefined, downMs: number): void {
    if (!node?.up) return
    this.#world.killAgent(node)
    this.#world.loop.after(downMs, () => {
      if (node.up && !this.#world.agents().some((agent) => agent.node === node)) this.#world.startAgent(node)
    })
  }

  #killController(number: number, downMs: number): void {
    const replica = this.#replicas[number]
    replica?.kill()
    this.#world.loop.after(downMs, () => {
      if (replica && !replica.alive) replica.start()
    })
  }

  #reboot(node: SimNode | undefined, downMs: number): void {
    if (!node?.up) return
    this.#powerOff(node)
    this.#world.loop.after(downMs, () => {
      if (!node.gone && !node.up) this.#boot(node)
    })
  }

  #powerOff(node: SimNode): void {
    node.up = false
    for (const process of node.processes) this.#world.excuse(process.podUid, `node ${node.name} lost its power`)
    for (const { standIn } of node.awaited.values())
      if (standIn?.process) this.#world.excuse(standIn.podUid, `node ${node.name} lost its power`)
    this.#world.killAgent(node)
    this.kubelets.get(node.name)?.life.kill()
    node.losePower(this.#dice)
  }

  #boot(node: SimNode): void {
    node.up = true
    const kubelet = new Kubelet(this.#world, node)
    this.kubelets.set(node.name, kubelet)
    kubelet.start()
    this.#world.startAgent(node)
  }

  /** Proof that it is gone: only a node that is off, with all that ran on it, is deleted. */
  #powerOffForGood(node: SimNode | undefined, { deleteAfterMs, backAfterMs }: Happening & { kind: 'powerOffForGood' }): void {
    if (!node?.up || this.#lost > 0) return
    this.#lost++
    this.#powerOff(node)
    node.gone = true
    node.wasGone = true
    const { loop, server } = this.#world
    loop.after(deleteAfterMs, () => {
      this.#world.tell('person', `deletes node ${node.name}`)
      const { metadata, ...object } = server.read(`${nodesPath}/${node.name}`) as Thing
      server.delete('person', `${nodesPath}/${node.name}`)
      if (backAfterMs === undefined) return
      loop.after(backAfterMs, () => {
        this.#world.tell(node.name, 'comes back')
        node.gone = false
        server.create('kubelet', nodesPath, { ...object, metadata: { name: metadata.name, labels: metadata.labels } } as never)
        this.#boot(node)
      })
    })
  }

  #jump(node: SimNode | undefined, ms: number): void {
    if (node) node.clock.offsetMs += ms
  }

  #fillDisk(node: SimNode | undefined, ms: number, eatsReserve: boolean): void {
    if (!node) return
    if (eatsReserve) node.journals.useReserve()
    node.journals.spareBytes = 0
    node.journals.full = true
    this.#world.loop.after(ms, () => {
      node.journals.full = false
    })
  }

  #crash(pod: Thing | undefined): void {
    if (!pod) return
    for (const node of this.#world.nodes) {
      const process = node.processOf(pod.metadata.uid)
      if (!process || !(runs(process) || process.gate === 'shut')) continue
      const shut = process.gate === 'shut'
      const committed = [...node.awaited.values()].some(({ standIn, decision }) => standIn?.process === process && decision === 'go')
      this.#world.end(process, 'crashed')
      if (!shut || committed) this.#world.excuse(pod.metadata.uid, 'its program crashed')
      for (const awaited of node.awaited.values()) if (awaited.standIn?.process === process) delete awaited.standIn
    }
  }

  #deletePod(pod: Thing | undefined): void {
    if (!pod) return
    this.#world.excuse(pod.metadata.uid, 'somebody deleted the pod')
    this.#world.server.delete('person', pathOf(pod))
  }

  #patchSet(patch: Record<string, unknown>): void {
    const set = this.#world.server.all('/apis/apps/v1/replicasets')[0]
    if (set) this.#world.server.patch('person', setPath(set), patch)
  }

  #deleteSet(): void {
    const set = this.#world.server.all('/apis/apps/v1/replicasets')[0]
    if (set) this.#world.server.delete('person', setPath(set))
  }

  // ---- drain

  #cordon(name: string, on: boolean): void {
    const path = `${nodesPath}/${name}`
    if (this.#world.server.read(path)?.spec?.unschedulable !== on && (on || this.#world.server.read(path)?.spec?.unschedulable))
      this.#world.server.patch('person', path, { spec: { unschedulable: on } })
  }

  #drain(node: SimNode | undefined, uncordonAfterMs: number | undefined): void {
    if (!node || !this.#world.server.read(`${nodesPath}/${node.name}`)) return
    this.#cordon(node.name, true)
    const before = this.#pods().filter((pod) => pod.spec.nodeName === node.name)
    for (const pod of before) void this.#evict(pod, 12)
    if (uncordonAfterMs !== undefined) this.#world.loop.after(uncordonAfterMs, () => this.#cordon(node.name, false))
  }

  /** As kubectl drain does: again every 5 s while it is told to come back. */
  async #evict(pod: Thing, tries: number): Promise<void> {
    if (tries === 0 || this.#healed || this.#world.server.read(pathOf(pod))?.metadata.uid !== pod.metadata.uid) return
    const replica = this.#dice.pick(this.#replicas)
    const decision = replica.alive ? await replica.judge(namespace, pod.metadata.name) : undefined
    const verdict = decision?.verdict === 'deny' ? `deny ${decision.code}` : (decision?.verdict ?? 'no answer')
    this.#world.tell('drain', `evicting ${pod.metadata.name}: ${verdict}`)
    if (verdict === 'deny 404') return
    if (decision === undefined || decision.verdict === 'allow') return this.#evicted(pod)
    this.#world.loop.after(5000, () => void this.#evict(pod, tries - 1))
  }

  #evicted(pod: Thing): void {
    const current = this.#world.server.read(pathOf(pod))
    if (current?.metadata.uid !== pod.metadata.uid) return
    this.#world.excuse(pod.metadata.uid, 'it was evicted')
    this.#world.server.delete('eviction', pathOf(pod))
  }

  /** A person who knows that the destination's node is off for good, and says so. */
  resolve(migration: Thing): void {
    this.#world.tell('person', `says that the destination of ${migration.metadata.name} is gone`)
    this.#world.server.patch('person', migrationPath(migration), {
      metadata: { annotations: { [annotations.resolved]: 'destinationGone' } },
    })
  }
}

function migrationPath({ metadata }: Thing): string {
  return `/apis/podmotion.io/v1alpha1/namespaces/${metadata.namespace}/podmigrations/${metadata.name}`
}

function setPath({ metadata }: Thing): string {
  return `/apis/apps/v1/namespaces/${metadata.namespace}/replicasets/${metadata.name}`
}
