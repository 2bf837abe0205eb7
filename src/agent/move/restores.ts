// The containers of a pod that is received, from restores that are armed ahead of the freeze to their gates.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { CodedError, messageOf } from '../../runtime/errors.ts'
import { log } from '../../runtime/log.ts'
import type { AgentContext } from '../context.ts'
import { treeOf } from '../criu/process-tree.ts'
import { ArmedRestore, type ReceivedContainer, startStore } from '../criu/received-container.ts'
import { SocketReader } from '../criu/sockets.ts'
import { fillAhead, storeReady } from '../memory/store.ts'
import type { ArmRestore, Restored, SocketOptions, Stores } from '../peer/wire.ts'
import type { AwaitedPod } from './awaited-pod.ts'

const describedTimeoutMs = 10_000
const describedPollMs = 5

export class Restores {
  readonly #context: AgentContext
  readonly #uid: string
  readonly #pod: () => AwaitedPod
  #armed: ArmedRestore[] = []
  #containers: ReceivedContainer[] = []
  #lazy = false
  #sockets: SocketReader | undefined
  readonly #ended = new AbortController()

  /** `pod` is asked for only where there is one: a move that was never awaited has none. */
  constructor(context: AgentContext, uid: string, pod: () => AwaitedPod) {
    this.#context = context
    this.#uid = uid
    this.#pod = pod
  }

  /** One for each container's memory, before any of it comes. */
  async startStores(): Promise<Stores> {
    const started = await Promise.all(this.#names.map((name) => startStore(this.#pod().folders(name))))
    return { available: started.every(Boolean), packed: true, later: true }
  }

  /** Everything that needs no images. */
  async arm({ lazy }: ArmRestore): Promise<void> {
    this.#lazy = lazy
    this.#sockets ??= new SocketReader(this.#context.config)
    const { signal } = this.#ended
    await Promise.all(this.#names.map((name) => untilDescribed(this.#pod().folders(name).images, signal)))
    this.#armed = await Promise.all(this.#names.map((name) => ArmedRestore.arm(name, this.#pod().folders(name), lazy, signal)))
  }

  /** All side by side. Returns their sockets. */
  async toGates(options: readonly SocketOptions[]): Promise<Restored['sockets']> {
    const { moves, config } = this.#context
    const reader = this.#sockets
    if (!reader) throw new CodedError('WrongState', `Restoring migration ${this.#uid}: its restores were never armed`)
    if (this.#lazy) await Promise.all(this.#names.map((name) => storeReady(this.#pod().folders(name).meeting)))
    this.#containers = await Promise.all(this.#armed.map((armed) => armed.toGate(this.#ended.signal)))
    moves.step(this.#uid, 'restored')
    if (this.#lazy) for (const name of this.#names) void this.#fillAhead(name)
    const pids = (await Promise.all(this.#containers.map((container) => container.initPid()))).flatMap(treeOf)
    const { sockets, refused } = await reader.read(pids, options)
    if (refused.length > 0) moves.warn(this.#uid, `Socket options that ${config.nodeName} refuses: ${refused.join('; ')}`)
    return sockets
  }

  /** Those that have reached their gates. */
  get containers(): readonly ReceivedContainer[] {
    return this.#containers
  }

  /** Whatever is armed or at its gate ends with its connections. */
  close(): void {
    this.#ended.abort(new Error('given up'))
    this.#sockets?.cancel()
    for (const container of [...this.#armed, ...this.#containers]) container.close()
  }

  /** Nothing depends on it: what is not filled now is when the pod runs. */
  async #fillAhead(name: string): Promise<void> {
    await fillAhead(this.#pod().folders(name).meeting).catch((error: unknown) =>
      log.warn({ uid: this.#uid, container: name, reason: messageOf(error) }, 'memory is not filled ahead'),
    )
  }

  get #names(): readonly string[] {
    return this.#pod().pod.containers
  }
}

/** runc reads descriptors.json before it starts criu. */
async function untilDescribed(images: string, signal: AbortSignal): Promise<void> {
  const deadlineMs = performance.now() + describedTimeoutMs
  while (!isWholeJson(path.join(images, 'descriptors.json'))) {
    signal.throwIfAborted()
    if (performance.now() > deadlineMs)
      throw new CodedError('NoDescriptors', `Arming the restore: descriptors.json did not come within ${describedTimeoutMs / 1000} s`)
    await new Promise((resolve) => setTimeout(resolve, describedPollMs))
  }
}

function isWholeJson(file: string): boolean {
  try {
    JSON.parse(readFileSync(file, 'utf8'))
    return true
  } catch {
    return false
  }
}
