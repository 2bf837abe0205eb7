// Kubelet, containerd, the OCI wrapper and the CNI plugin of one node: what exists in the API server and what runs follow each other.
import { annotations } from '../../src/api/names.ts'
import type { Thing } from './api-server.ts'
import { apiPlace } from './kube-client.ts'
import { Life } from './life.ts'
import { runs, type SimNode } from './node.ts'
import { podCollection, type World } from './world.ts'

const syncEveryMs = 1000
const startBackoffMs = 1500
const ipv4 = (node: SimNode, number: number) => `10.${node.number}.0.${number}`

/** Looks again and again: pods of this node as the API server last told of them. */
export class Kubelet {
  readonly #world: World
  readonly #node: SimNode
  readonly life: Life
  readonly #pods = new Map<string, Thing>()
  readonly #retryAtMs = new Map<string, number>()
  /** As the real one remembers them: what an older event says of such a pod does not bring it back. */
  readonly #terminated = new Set<string>()
  #forget: () => void = () => undefined
  #lastMs = 0
  #addresses = 10

  constructor(world: World, node: SimNode) {
    this.#world = world
    this.#node = node
    this.life = new Life(world.loop, `kubelet-${node.name}`, node.name, node.clock)
  }

  start(): void {
    for (const pod of this.#world.pods()) this.#know(pod)
    this.#forget = this.#world.server.onChange(podCollection, ({ type, object }) => this.#hear(type, object))
    this.life.onEnd(this.#forget)
    this.#loop()
  }

  #loop(): void {
    this.life.after(syncEveryMs, () => {
      if (!this.#world.wire.isCut(apiPlace, this.#node.name)) this.#relist()
      this.#sync()
      this.#loop()
    })
  }

  #hear(type: string, object: Thing): void {
    if (object.spec?.nodeName !== this.#node.name || this.#world.wire.isCut(apiPlace, this.#node.name)) return
    this.#lastMs = Math.max(this.#lastMs, this.#world.loop.nowMs + this.#world.wire.delayMs())
    this.#world.loop.at(this.#lastMs, () =>
      this.life.run(() => {
        if (type === 'DELETED') this.#pods.delete(object.metadata.uid)
        else this.#know(object)
        this.#sync()
      }),
    )
  }

  #know(pod: Thing): void {
    if (pod.spec?.nodeName === this.#node.name && !this.#terminated.has(pod.metadata.uid)) this.#pods.set(pod.metadata.uid, pod)
  }

  /** What a cut made it miss. */
  #relist(): void {
    const all = this.#world.pods().filter((pod) => pod.spec?.nodeName === this.#node.name)
    const uids = new Set(all.map((pod) => pod.metadata.uid))
    for (const uid of this.#pods.keys()) if (!uids.has(uid)) this.#pods.delete(uid)
    for (const pod of all) this.#know(pod)
  }

  #sync(): void {
    for (const uid of this.#node.podFolders.keys()) if (!this.#pods.has(uid)) this.#tearDown(uid, 'its pod is gone')
    for (const pod of this.#pods.values()) {
      if (pod.metadata.deletionTimestamp) this.#terminate(pod)
      else this.#keep(pod)
    }
  }

  #keep(pod: Thing): void {
    const { uid } = pod.metadata
    if (!this.#node.sandboxes.has(uid)) {
      this.#node.sandboxes.set(uid, { name: keyOf(pod) })
      this.#node.podFolders.set(uid, keyOf(pod))
      this.#attach(pod)
    }
    const awaited = this.#node.awaited.get(keyOf(pod))
    const lives = this.#node.processOf(uid) !== undefined || awaited?.standIn !== undefined
    if (!lives && (this.#retryAtMs.get(uid) ?? 0) <= this.#world.loop.nowMs) this.#create(pod)
    this.#report(pod)
  }

  #attach(pod: Thing): void {
    const awaited = this.#node.awaited.get(keyOf(pod))
    if (awaited) awaited.attached = true
  }

  /** The OCI wrapper's `create`, in its order (native/README.md). */
  #create(pod: Thing): void {
    const { uid } = pod.metadata
    this.#retryAtMs.set(uid, this.#world.loop.nowMs + startBackoffMs)
    if (this.#node.markers.has(uid)) return
    if (!pod.metadata.annotations?.[annotations.migration] || this.#node.restored.has(keyOf(pod)))
      return void this.#world.born(uid, this.#node)
    const awaited = this.#node.awaited.get(keyOf(pod))
    if (!awaited) return
    if (awaited.decision === 'go') {
      this.#node.restored.add(keyOf(pod))
      return void this.#world.born(uid, this.#node)
    }
    delete awaited.decision
    awaited.standIn = { podUid: uid, status: 'waiting' }
  }

  #report(pod: Thing): void {
    const process = this.#node.processOf(pod.metadata.uid)
    const awaited = this.#node.awaited.get(keyOf(pod))
    const running = process !== undefined || awaited?.standIn !== undefined
    const ready = process !== undefined && runs(process)
    const was = pod.status ?? {}
    const phase = running || was.phase === 'Running' ? 'Running' : 'Pending'
    const wasReady = was.conditions?.some((one: { type: string; status: string }) => one.type === 'Ready' && one.status === 'True') ?? false
    if (was.phase === phase && wasReady === ready && (was.containerStatuses?.[0]?.state?.running !== undefined) === running && was.podIP)
      return
    const podIP = was.podIP ?? this.#addressOf(pod)
    this.#write(pod, {
      phase,
      podIP,
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
      containerStatuses: [
        {
          name: 'main',
          containerID: `containerd://${pod.metadata.uid.slice(-12)}`,
          state: running ? { running: {} } : { waiting: { reason: 'CreateContainerError' } },
        },
      ],
    })
  }

  #addressOf(pod: Thing): string {
    const source = pod.metadata.labels?.['podmotion.io/source-pod-uid']
    const migration = this.#world.migrations().find((one) => one.metadata.uid === pod.metadata.annotations?.[annotations.migration])
    return source !== undefined && migration?.status?.podIP ? migration.status.podIP : ipv4(this.#node, this.#addresses++)
  }

  #write(pod: Thing, status: Record<string, unknown>): void {
    if (this.#world.wire.loses(this.#node.name, apiPlace) || this.#world.loop.nowMs < this.#world.door.trouble.downUntilMs) return
    const path = pathOf(pod)
    const current = this.#world.server.read(path)
    if (current?.metadata.uid === pod.metadata.uid) this.#world.server.patch('kubelet', `${path}/status`, { status })
  }

  #terminate(pod: Thing): void {
    const { uid } = pod.metadata
    const sandbox = this.#node.sandboxes.get(uid)
    const process = this.#node.processOf(uid)
    if (sandbox && process) {
      const grace = (pod.metadata.deletionGracePeriodSeconds ?? 30) * 1000
      // Who runs hears the signal and ends soon; who is frozen does not hear it.
      sandbox.graceEndMs ??= this.#world.loop.nowMs + (runs(process) ? Math.min(grace, 300) : grace)
      if (this.#world.loop.nowMs < sandbox.graceEndMs) return
    }
    if (sandbox) this.#tearDown(uid, 'deleted')
    if (this.#world.wire.loses(this.#node.name, apiPlace) || this.#world.loop.nowMs < this.#world.door.trouble.downUntilMs) return
    const current = this.#world.server.read(pathOf(pod))
    if (current?.metadata.uid === uid) this.#world.server.delete('kubelet', pathOf(pod), { uid, gracePeriodSeconds: 0 })
    this.#pods.delete(uid)
    this.#terminated.add(uid)
  }

  #tearDown(uid: string, why: string): void {
    const process = this.#node.processOf(uid)
    const sandbox = this.#node.sandboxes.get(uid)
    if (process) this.#world.end(process, why)
    if (sandbox) {
      const awaited = this.#node.awaited.get(sandbox.name)
      if (awaited?.standIn?.podUid === uid) {
        delete awaited.standIn
        awaited.attached = false
        this.#node.holds.delete(awaited.uid)
      }
    }
    for (const [migration, podUid] of this.#node.locks) if (podUid === uid) this.#node.locks.delete(migration)
    this.#node.sandboxes.delete(uid)
    this.#node.podFolders.delete(uid)
  }
}

export function keyOf(pod: Thing): string {
  return `${pod.metadata.namespace}_${pod.metadata.name}`
}

export function pathOf(pod: Thing): string {
  return `/api/v1/namespaces/${pod.metadata.namespace}/pods/${pod.metadata.name}`
}
