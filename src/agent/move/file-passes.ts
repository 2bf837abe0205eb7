// The files of a moving pod: passes over them while it runs, and the last one in the freeze.
import path from 'node:path'
import type { Duplex } from 'node:stream'
import type { MoveRequest } from '../../api/agent-wire.ts'
import { messageOf } from '../../runtime/errors.ts'
import { log } from '../../runtime/log.ts'
import type { AgentContext } from '../context.ts'
import { copyAhead } from '../priority.ts'
import type { StorageDestination, StoragePod } from '../rooms.ts'
import type { RunningPod } from '../runc/state.ts'
import { FileTransport } from '../transfer/file-transport.ts'

/** A pass that took this long left enough behind to be worth another one, if that can be expected to be quicker. */
const quickPassMs = 300
const quickerBy = 0.75
const maximumPasses = 5
const passTries = 3
/** Whoever was brought up to date in this time has not seen much change meanwhile. */
const quickKeepMs = 300
const maximumKeeps = 3

export interface FilesToMove {
  context: AgentContext
  uid: string
  request: MoveRequest
  pod: RunningPod
  /** Bundles of the destination's containers. */
  bundles: Record<string, string>
  /** A stream to the destination's rsync. */
  open: () => Promise<Duplex>
  /** Waits for bandwidth; `bytes` of what changes all the time. */
  take: (bytes: number) => Promise<void>
  signal: AbortSignal
}

export class FilePasses {
  readonly #files: FilesToMove
  readonly #transport: FileTransport
  readonly #pod: StoragePod
  readonly #destination: StorageDestination

  private constructor(files: FilesToMove, transport: FileTransport) {
    const { request, pod, bundles } = files
    this.#files = files
    this.#transport = transport
    this.#destination = { transportSocket: transport.socketPath, podUid: request.destination.podUid, bundles }
    const containers = pod.containers.map(({ name, id, bundle }) => ({ name, id, bundle }))
    this.#pod = { uid: request.pod.uid, containers, volumes: request.pod.volumes }
  }

  static async start(files: FilesToMove): Promise<FilePasses> {
    const socket = path.join(files.context.config.runDir, 'transport', `${files.uid}.sock`)
    return new FilePasses(files, await FileTransport.listen(socket, files.open))
  }

  /** Until a pass is quick: little is left then. Or takes as long as the one before: as much will be left again. */
  async ahead(): Promise<void> {
    if (this.#skipped) return
    let beforeMs = Number.POSITIVE_INFINITY
    for (let pass = 0; pass < maximumPasses; pass++) {
      const startedMs = performance.now()
      await this.once()
      const tookMs = performance.now() - startedMs
      if (tookMs < quickPassMs || tookMs > beforeMs * quickerBy) return
      beforeMs = tookMs
    }
  }

  /** While the pod runs a pass that broke off costs nothing but another one. */
  async once(): Promise<void> {
    for (let tries = 1; !this.#skipped; tries++) {
      try {
        await copyAhead(this.#files.context.moves, async () => await this.#sync(false))
        return
      } catch (error) {
        this.#files.signal.throwIfAborted()
        if (tries === passTries) throw error
        log.warn({ uid: this.#files.uid, tries, reason: messageOf(error) }, 'a file pass ahead of the freeze broke off; it is tried again')
      }
    }
  }

  /** After the last pass ahead. A file that is new to it is read whole, which takes long, and others change meanwhile: again until it is quick. */
  async keepHot(): Promise<void> {
    for (let keeps = 0; keeps < maximumKeeps; keeps++) {
      const startedMs = performance.now()
      await this.keepHotOnce()
      if (performance.now() - startedMs < quickKeepMs) return
    }
  }

  /** What cannot be kept goes with the last pass, as ever. */
  async keepHotOnce(): Promise<void> {
    if (this.#skipped) return
    const { context, uid, take, signal } = this.#files
    await context.storage.keepHot(uid, take).catch((error: unknown) => {
      log.warn({ uid, reason: messageOf(error) }, 'files that change all the time could not be kept; rsync carries them in the freeze')
    })
    signal.throwIfAborted()
  }

  /** Connections for the last pass, one for each folder. */
  async warm(): Promise<void> {
    const folders = this.#pod.volumes.filter(({ kind }) => kind.startsWith('emptyDir')).length
    await this.#transport.warm(this.#pod.containers.length + folders)
  }

  /** The pod is frozen. */
  async last(): Promise<void> {
    if (!this.#skipped) await this.#sync(true)
  }

  close(): void {
    this.#files.context.storage.forget(this.#files.uid)
    this.#transport.close()
  }

  get #skipped(): boolean {
    return this.#files.request.storageStrategy === 'Skip'
  }

  async #sync(final: boolean): Promise<void> {
    const { context, uid, request, signal } = this.#files
    const bandwidthLimitMbps = final ? 0 : request.bandwidthLimitMbps
    await context.storage.sync({ uid, pod: this.#pod, destination: this.#destination, final, bandwidthLimitMbps })
    signal.throwIfAborted()
  }
}
