// The parts of Kubernetes that decide about pods: ReplicaSets, kube-scheduler, node lifecycle, garbage collection.
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import { filterNames } from '../../src/extender/answer.ts'
import type { ClusterIndex } from '../../src/extender/cluster-index.ts'
import { addAmounts, allocatableOf, podRequests } from '../../src/extender/requests.ts'
import type { Thing } from './api-server.ts'
import type { Dice } from './dice.ts'
import { pathOf } from './kubelet.ts'
import { View } from './view.ts'
import { podCollection, type World } from './world.ts'

const replicaSetCollection = '/apis/apps/v1/replicasets'
const nodeCollection = '/api/v1/nodes'
const resyncMs = 2000
const scheduleEveryMs = 500
const nodeSilentMs = 40_000
const evictAfterMs = 60_000

export class Kubernetes {
  readonly #world: World
  readonly #dice: Dice
  readonly #pods: View
  readonly #scheduled: View
  #names = 0
  /** One of the running controller replicas answers kube-scheduler, or nobody does. */
  readonly #extender: () => ClusterIndex | undefined
  readonly #heardAtMs = new Map<string, number>()
  #pending = false

  constructor(world: World, extender: () => ClusterIndex | undefined) {
    this.#world = world
    this.#dice = world.dice.fork('kubernetes')
    this.#extender = extender
    const lag = () => (this.#dice.chance(0.05) ? this.#dice.between(100, 3000) : this.#dice.between(1, 30))
    this.#pods = new View(world, podCollection, lag, () => this.#soon())
    this.#scheduled = new View(world, podCollection, lag)
  }

  start(): void {
    this.#every(resyncMs, () => this.#replicaSets())
    this.#every(scheduleEveryMs, () => this.#schedule())
    this.#every(5000, () => this.#nodes())
    this.#every(5000, () => this.#collect())
  }

  #every(ms: number, work: () => void): void {
    this.#world.loop.after(ms, () => {
      if (this.#world.loop.nowMs >= this.#world.door.trouble.downUntilMs) work()
      this.#every(ms, work)
    })
  }

  #soon(): void {
    if (this.#pending) return
    this.#pending = true
    this.#world.loop.after(20, () => {
      this.#pending = false
      if (this.#world.loop.nowMs >= this.#world.door.trouble.downUntilMs) this.#replicaSets()
    })
  }

  // ---- ReplicaSets

  #replicaSets(): void {
    for (const set of this.#world.server.all(replicaSetCollection)) this.#replicaSet(set)
  }

  #replicaSet(set: Thing): void {
    const matching = this.#pods.list().filter((pod) => matches(pod, set) && isActive(pod))
    for (const orphan of matching.filter((pod) => !controllerOf(pod))) this.#adopt(set, orphan)
    const now = this.#pods.list().filter((pod) => matches(pod, set) && isActive(pod))
    const own = now.filter((pod) => controllerOf(pod)?.uid === set.metadata.uid)
    const wanted: number = set.spec.replicas
    if (own.length < wanted) for (let count = own.length; count < wanted; count++) this.#createPod(set)
    if (own.length > wanted) for (const pod of own.toSorted(deleteFirst).slice(0, own.length - wanted)) this.#deletePod(pod)
  }

  #adopt(set: Thing, pod: Thing): void {
    const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: set.metadata.name, uid: set.metadata.uid, controller: true }
    const owners = [...(pod.metadata.ownerReferences ?? []), owner]
    this.#quietly(() => {
      const current = this.#world.server.read(pathOf(pod))
      if (!current || current.metadata.uid !== pod.metadata.uid || current.metadata.deletionTimestamp || controllerOf(current)) return
      this.#pods.put(this.#world.server.patch('replicaset', pathOf(pod), { metadata: { uid: pod.metadata.uid, ownerReferences: owners } }))
    })
  }

  #createPod(set: Thing): void {
    const name = `${set.metadata.name}-${String(++this.#names).padStart(4, '0')}`
    const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: set.metadata.name, uid: set.metadata.uid, controller: true }
    const { labels, annotations } = set.spec.template.metadata
    const body = { metadata: { name, labels, annotations, ownerReferences: [owner] }, spec: set.spec.template.spec }
    this.#quietly(() =>
      this.#pods.put(this.#world.server.create('replicaset', `/api/v1/namespaces/${set.metadata.namespace}/pods`, body as never)),
    )
  }

  #deletePod(pod: Thing): void {
    this.#world.tell('replicaset', `deletes ${pod.metadata.name}, one too many`)
    this.#quietly(() => this.#world.server.delete('replicaset', pathOf(pod), { uid: pod.metadata.uid }))
    this.#pods.drop(pod.metadata.uid)
  }

  #quietly(work: () => void): void {
    try {
      work()
    } catch {
      // Somebody was first: the next look sees it.
    }
  }

  // ---- kube-scheduler

  #schedule(): void {
    for (const pod of this.#scheduled.list()) if (!pod.spec.nodeName && !pod.metadata.deletionTimestamp) this.#place(pod)
  }

  #place(pod: Thing): void {
    const names = this.#world.server
      .all(nodeCollection)
      .filter((node) => this.#mayTake(node, pod))
      .map((node) => node.metadata.name)
    const index = this.#extender()
    const passed = index ? filterNames(index, pod as unknown as V1Pod, names).passed : names
    const chosen = passed.length > 0 ? this.#dice.pick(passed) : undefined
    if (chosen === undefined) return
    this.#quietly(() => {
      const current = this.#world.server.read(pathOf(pod))
      if (!current || current.metadata.uid !== pod.metadata.uid || current.spec.nodeName) return
      this.#scheduled.put(this.#world.server.patch('scheduler', pathOf(pod), { spec: { nodeName: chosen } }))
    })
  }

  #mayTake(node: Thing, pod: Thing): boolean {
    if (node.spec?.unschedulable || node.spec?.taints?.length) return false
    const terms = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms
    const pinned: string[] | undefined = terms?.[0]?.matchFields?.[0]?.values
    if (pinned && !pinned.includes(node.metadata.name)) return false
    const used: Record<string, number> = {}
    for (const other of this.#scheduled.list())
      if (other.spec.nodeName === node.metadata.name) addAmounts(used, podRequests(other as unknown as V1Pod))
    addAmounts(used, podRequests(pod as unknown as V1Pod))
    const room = allocatableOf(node as unknown as V1Node)
    return Object.keys(used).every((resource) => (used[resource] ?? 0) <= (room[resource] ?? 0))
  }

  // ---- nodes

  /** A silent node is tainted, and later its pods are deleted; one whose object is gone loses them at once. */
  #nodes(): void {
    const nowMs = this.#world.loop.nowMs
    for (const node of this.#world.nodes) {
      if (node.up && !this.#world.wire.isCut(node.name, 'api')) this.#heardAtMs.set(node.name, nowMs)
      const path = `${nodeCollection}/${node.name}`
      const object = this.#world.server.read(path)
      if (!object) {
        this.#orphans(node.name)
        continue
      }
      const silentMs = nowMs - (this.#heardAtMs.get(node.name) ?? nowMs)
      const tainted = object.spec.taints?.some((taint: { key: string }) => taint.key === 'node.kubernetes.io/unreachable') ?? false
      if (silentMs > nodeSilentMs && !tainted) this.#taint(path, object, true)
      if (silentMs === 0 && tainted) this.#taint(path, object, false)
      if (silentMs > nodeSilentMs + evictAfterMs) this.#evictFrom(node.name)
    }
  }

  #taint(path: string, object: Thing, on: boolean): void {
    const others = (object.spec.taints ?? []).filter((taint: { key: string }) => taint.key !== 'node.kubernetes.io/unreachable')
    const taints = on ? [...others, { key: 'node.kubernetes.io/unreachable', effect: 'NoSchedule' }] : others
    this.#world.tell('nodes', `${object.metadata.name} is ${on ? 'unreachable' : 'back'}`)
    this.#world.server.patch('nodes', path, { spec: { taints } })
  }

  #evictFrom(nodeName: string): void {
    for (const pod of this.#world.pods())
      if (pod.spec.nodeName === nodeName && !pod.metadata.deletionTimestamp) {
        this.#world.tell('nodes', `deletes ${pod.metadata.name} of the silent node ${nodeName}`)
        this.#world.excuse(pod.metadata.uid, 'its node was silent for too long')
        this.#world.server.delete('nodes', pathOf(pod), { uid: pod.metadata.uid })
      }
  }

  #orphans(nodeName: string): void {
    for (const pod of this.#world.pods()) {
      if (pod.spec.nodeName !== nodeName) continue
      this.#world.excuse(pod.metadata.uid, 'its node is gone for good')
      this.#world.server.delete('podgc', pathOf(pod), { uid: pod.metadata.uid, gracePeriodSeconds: 0 })
    }
  }

  // ---- garbage: whose owner is gone

  #collect(): void {
    const owners = new Set(this.#world.server.all(replicaSetCollection).map((set) => set.metadata.uid))
    for (const pod of this.#world.pods()) {
      const owner = controllerOf(pod)
      if (!owner || owner.kind !== 'ReplicaSet' || owners.has(owner.uid) || pod.metadata.deletionTimestamp) continue
      this.#world.tell('gc', `deletes ${pod.metadata.name}, whose owner is gone`)
      this.#world.excuse(pod.metadata.uid, 'its owner was deleted')
      this.#world.server.delete('gc', pathOf(pod), { uid: pod.metadata.uid })
    }
  }
}

export function controllerOf(pod: Thing): { uid: string; kind: string } | undefined {
  return pod.metadata.ownerReferences?.find((owner) => owner.controller)
}

function matches(pod: Thing, set: Thing): boolean {
  const wanted = Object.entries(set.spec.selector.matchLabels as Record<string, string>)
  return pod.metadata.namespace === set.metadata.namespace && wanted.every(([key, value]) => pod.metadata.labels?.[key] === value)
}

function isActive(pod: Thing): boolean {
  return !pod.metadata.deletionTimestamp && pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed'
}

/** The ReplicaSet controller's order: unassigned, pending, not ready, lower deletion cost, newer. */
function deleteFirst(one: Thing, other: Thing): number {
  const rank = (pod: Thing): number[] => [
    pod.spec.nodeName ? 1 : 0,
    pod.status?.phase === 'Running' ? 1 : 0,
    isReady(pod) ? 1 : 0,
    Number(pod.metadata.annotations?.['controller.kubernetes.io/pod-deletion-cost'] ?? 0),
    -Date.parse(pod.metadata.creationTimestamp),
  ]
  const [left, right] = [rank(one), rank(other)]
  for (let at = 0; at < left.length; at++) if (left[at] !== right[at]) return (left[at] as number) - (right[at] as number)
  return one.metadata.name < other.metadata.name ? -1 : 1
}

export function isReady(pod: Thing): boolean {
  return pod.status?.conditions?.some((one: { type: string; status: string }) => one.type === 'Ready' && one.status === 'True') ?? false
}
