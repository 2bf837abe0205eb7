// Where what the source sends goes: images, logs, memory and files, and only into the pod that is received here.
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Duplex } from 'node:stream'
import { CodedError } from '../../runtime/errors.ts'
import { type AgentContext, podLogFolder } from '../context.ts'
import { sharedMemoryFolder } from '../runc/state.ts'
import type { StorageRoot } from '../storage/transport.ts'
import type { ReceiveTarget } from '../transfer/image-receiver.ts'
import type { AwaitedPod } from './awaited-pod.ts'

export class Inbox {
  readonly #context: AgentContext
  readonly #pod: () => AwaitedPod
  readonly #streams = new Set<Duplex>()
  /** Of the pod here, as the source names it. */
  podUid: string | undefined
  #sharedFolder: string | undefined

  constructor(context: AgentContext, pod: () => AwaitedPod) {
    this.#context = context
    this.#pod = pod
  }

  /** The bundles of the stand-ins: there are none before they stand. */
  async bundles(): Promise<Record<string, string>> {
    const bundles = await this.#pod().bundles()
    const [first] = Object.values(bundles)
    if (first !== undefined) this.#sharedFolder = await sharedMemoryFolder(first)
    return bundles
  }

  /** Ends with the pod: the source may be unable to say that it has stopped, and whoever still writes keeps containerd from removing the root. */
  keep(stream: Duplex): void {
    this.#streams.add(stream)
    stream.once('close', () => this.#streams.delete(stream))
  }

  close(): void {
    for (const stream of this.#streams) stream.destroy()
  }

  /** Of images and logs. */
  target(): ReceiveTarget {
    const { pod } = this.#pod()
    const logs = this.podUid === undefined ? undefined : podLogFolder(this.#context.config, { ...pod, uid: this.podUid })
    return {
      containers: pod.containers,
      sharedFolder: () => {
        if (this.#sharedFolder !== undefined) return this.#sharedFolder
        throw new CodedError('NoSharedMemory', 'Receiving /dev/shm: the pod here has none of its own')
      },
      imageFolder: (container) => this.#pod().folders(container).images,
      logFile: (container) => {
        const file = logs && path.join(logs, container, '0.log')
        return file && existsSync(file) ? file : undefined
      },
    }
  }

  /** Where the store of that container's memory is met. */
  meetingOf(container: string): string {
    if (this.#pod().pod.containers.includes(container)) return this.#pod().folders(container).meeting
    throw new CodedError('UnknownContainer', `Receiving memory: "${container.slice(0, 80)}" is no container of this migration`)
  }

  /** Of files: throws where the folder is not of this pod. */
  async checkRoot(root: StorageRoot): Promise<void> {
    if (root.kind === 'emptyDir' && root.podUid === this.podUid) return
    if (root.kind === 'rootfs' && Object.values(await this.#pod().bundles()).includes(root.bundle)) return
    throw new CodedError('ForeignFolder', `Receiving files: the folder that the source named is not of this pod`)
  }
}
