// The storage half of a move on the source: measures and sends the pod's folders, all at once, as often as asked.
import type { AgentConfig } from '../config.ts'
import type { NodeReason, PodStorage, StoragePod, StorageSize } from '../rooms.ts'
import { run } from '../run.ts'
import { remoteShell } from './daemon-configuration.ts'
import { mappedBy } from './mapped-file-finder.ts'
import { PatchStream } from './patch-stream.ts'
import { measureRestless, noneRestless } from './restless-files.ts'
import { RootCopy } from './root-copy.ts'
import { syncedRoots, tokenFor, volumeReasons } from './synced-roots.ts'

type Move = Parameters<PodStorage['sync']>[0]

export function createPodStorage(config: AgentConfig): PodStorage {
  return new NodePodStorage(config)
}

class NodePodStorage implements PodStorage {
  readonly #config: AgentConfig
  /** The copies of each open move, and the socket they go through: another attempt has another. */
  readonly #copies = new Map<string, { socket: string; roots: RootCopy[] }>()

  constructor(config: AgentConfig) {
    this.#config = config
  }

  async measure(pod: StoragePod): Promise<StorageSize & { reasons: NodeReason[] }> {
    const reasons = volumeReasons(pod)
    try {
      const roots = await syncedRoots(this.#config, pod)
      const folders = roots.map((root) => root.layers?.upper ?? root.folder)
      const [writableBytes, restless] = await Promise.all([sumOf(folders, diskUsage), measureRestless(roots, this.#config.helper)])
      return { writableBytes, ...restless, reasons }
    } catch (error) {
      const unreadable = { code: 'StorageUnreadable', message: (error as Error).message, blocking: true }
      return { writableBytes: 0, ...noneRestless, reasons: [...reasons, unreadable] }
    }
  }

  async sync(move: Move): Promise<number> {
    const copies = await this.#copiesOf(move)
    const passes = move.final ? lastPasses(copies, move.pod) : copies.map((copy) => copy.passAhead(move.pod, move.bandwidthLimitMbps))
    return (await Promise.all(passes)).reduce((sum, bytes) => sum + bytes, 0)
  }

  async keepHot(uid: string, take: (bytes: number) => Promise<void>): Promise<void> {
    await Promise.all((this.#copies.get(uid)?.roots ?? []).map((root) => root.keepHot(take)))
  }

  forget(uid: string): void {
    for (const root of this.#copies.get(uid)?.roots ?? []) root.cancel()
    this.#copies.delete(uid)
  }

  async #copiesOf({ uid, pod, destination }: Move): Promise<RootCopy[]> {
    const known = this.#copies.get(uid)
    if (known?.socket === destination.transportSocket) return known.roots
    const roots = (await syncedRoots(this.#config, pod)).map((root) => {
      const [socket, token] = [destination.transportSocket, tokenFor(root, destination)]
      const patches = (): PatchStream => PatchStream.open(socket, token)
      const { helper } = this.#config
      return new RootCopy(root, { remoteShell: remoteShell(helper, socket, token), patches, helper })
    })
    this.#copies.set(uid, { socket: destination.transportSocket, roots })
    return roots
  }
}

function lastPasses(copies: readonly RootCopy[], pod: StoragePod): Promise<number>[] {
  const mapped = mappedBy(pod)
  return copies.map((copy) => copy.lastPass(mapped))
}

async function sumOf(folders: readonly string[], measure: (folder: string) => Promise<number>): Promise<number> {
  return (await Promise.all(folders.map(measure))).reduce((sum, bytes) => sum + bytes, 0)
}

async function diskUsage(folder: string): Promise<number> {
  const { stdout } = await run('du', ['--summarize', '--block-size=1', '--one-file-system', folder], { reject: false })
  return Number(/^(\d+)/.exec(stdout)?.[1] ?? 0)
}
