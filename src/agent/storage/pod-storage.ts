// The storage half of a move on the source: measures and sends the pod's folders, all at once, as often as asked.
import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import type { AgentConfig } from '../config.ts'
import { treeOf } from '../criu/process-tree.ts'
import type { NodeReason, PodStorage, StoragePod } from '../rooms.ts'
import { run } from '../run.ts'
import { remoteShell } from './daemon-configuration.ts'
import { pathInFolder, sharedWritableFiles } from './mapped-files.ts'
import { parseMountInfo } from './mount-info.ts'
import { type Copy, copyArguments, sentBytes, vanishedExitCode } from './rsync-arguments.ts'
import { type SyncedRoot, syncedRoots, tokenFor, volumeReasons } from './synced-roots.ts'
import { listChanges } from './upper-tree.ts'

/** A pass of many GB over a slow link is not a hang; the migration's own timeout ends it. */
const passTimeoutMs = 3_600_000
/** Coarsest kernel tick in use (100 Hz), doubled: file times are no finer than that before Linux 6.13. */
const tickMs = 20

type Move = Parameters<PodStorage['sync']>[0]

interface Window {
  fromMs: number
  toMs: number
}

interface Passes {
  /** When they read the files. */
  windows: Window[]
  /** Paths of writable layers that they sent, by root: what is not there any more has to be deleted on the destination. */
  sent: Map<string, Set<string>>
}

export function createPodStorage(config: AgentConfig): PodStorage {
  return new NodePodStorage(config)
}

class NodePodStorage implements PodStorage {
  readonly #config: AgentConfig
  /** What the earlier passes of each open move did. */
  readonly #passes = new Map<string, Passes>()

  constructor(config: AgentConfig) {
    this.#config = config
  }

  async measure(pod: StoragePod): Promise<{ writableBytes: number; reasons: NodeReason[] }> {
    const reasons = volumeReasons(pod)
    try {
      const roots = await syncedRoots(this.#config, pod)
      const sizes = await Promise.all(roots.map((root) => diskUsage(root.layers?.upper ?? root.folder)))
      return { writableBytes: sizes.reduce((sum, bytes) => sum + bytes, 0), reasons }
    } catch (error) {
      return { writableBytes: 0, reasons: [...reasons, { code: 'StorageUnreadable', message: (error as Error).message, blocking: true }] }
    }
  }

  async sync(move: Move): Promise<number> {
    const roots = await syncedRoots(this.#config, move.pod)
    const fromMs = Date.now()
    const passes: Passes = this.#passes.get(move.uid) ?? { windows: [], sent: new Map<string, Set<string>>() }
    this.#passes.set(move.uid, passes)
    const sent = await Promise.all(roots.map((root) => this.#syncRoot(root, move, passes)))
    passes.windows.push({ fromMs: fromMs - tickMs, toMs: Date.now() })
    if (move.final) this.#passes.delete(move.uid)
    return sent.reduce((sum, bytes) => sum + bytes, 0)
  }

  async #syncRoot(root: SyncedRoot, move: Move, passes: Passes): Promise<number> {
    const shell = remoteShell(this.#config.helper, move.destination.transportSocket, tokenFor(root, move.destination))
    // The limit is for passes that nobody waits for: inside the freeze the few bytes left go at once.
    const copy = { folder: root.folder, remoteShell: shell, bandwidthLimitMbps: move.final ? 0 : move.bandwidthLimitMbps }
    const send = async (): Promise<number> => await this.#send(root, copy, move.final, await changedPaths(root, passes))
    if (!move.final) return await send()
    const [sent, doubtful] = await Promise.all([send(), doubtfulFiles(root, move.pod, passes.windows)])
    if (doubtful.length === 0) return sent
    return sent + (await this.#send(root, { ...copy, distrustTimes: true }, true, doubtful))
  }

  async #send(root: SyncedRoot, copy: Copy, final: boolean, listed?: readonly string[]): Promise<number> {
    const args = copyArguments({ ...copy, listed: listed !== undefined })
    const input = listed && encodeList(listed)
    const result = await run('rsync', args, { timeoutMs: passTimeoutMs, reject: false, ...(input === undefined ? {} : { input }) })
    const good = result.exitCode === 0 || (result.exitCode === vanishedExitCode && !final)
    if (!good) throw new Error(`Copying the ${root.label}: rsync exited ${result.exitCode} (${result.stderr.trim().slice(-1000)})`)
    return sentBytes(result.stdout)
  }
}

/** Undefined for an emptyDir: it is compared whole. */
async function changedPaths(root: SyncedRoot, passes: Passes): Promise<string[] | undefined> {
  if (!root.layers) return undefined
  const now = await listChanges(root.layers)
  const current = new Set(now)
  const known = passes.sent.get(root.label) ?? new Set()
  const gone = [...known].filter((name) => !current.has(name))
  passes.sent.set(root.label, new Set([...known, ...now]))
  return [...now, ...(await deletable(root.folder, gone))]
}

/** Below a folder that went as well there is nothing to name: it goes whole, and rsync would call the rest vanished. */
async function deletable(folder: string, gone: readonly string[]): Promise<string[]> {
  const kept = gone.map(async (name) => {
    const parent = await stat(Buffer.from(path.dirname(path.join(folder, name)), 'latin1')).catch(() => undefined)
    return parent?.isDirectory() ? [name] : []
  })
  return (await Promise.all(kept)).flat()
}

/** Files whose size and time may be equal although they differ: mapped ones, and those written while a pass was reading. */
async function doubtfulFiles(root: SyncedRoot, pod: StoragePod, windows: readonly Window[]): Promise<string[]> {
  const [mapped, ...recent] = await Promise.all([mappedFiles(root, pod), ...windows.map((window) => filesWrittenIn(root, window))])
  return [...new Set([...mapped, ...recent.flat()])]
}

/** Names are bytes, kept one byte a character (upper-tree.ts): not every name is UTF-8. */
function encodeList(names: readonly string[]): Uint8Array {
  return Buffer.from(names.map((name) => `${name}\0`).join(''), 'latin1')
}

async function diskUsage(folder: string): Promise<number> {
  const { stdout } = await run('du', ['--summarize', '--block-size=1', '--one-file-system', folder], { reject: false })
  return Number(/^(\d+)/.exec(stdout)?.[1] ?? 0)
}

async function mappedFiles(root: SyncedRoot, pod: StoragePod): Promise<string[]> {
  const found = await Promise.all(pod.containers.map((container) => mappedFilesOf(root, container.bundle)))
  return found.flat()
}

async function mappedFilesOf(root: SyncedRoot, bundle: string): Promise<string[]> {
  const pid = Number(await readFile(path.join(bundle, 'init.pid'), 'utf8').catch(() => '0'))
  if (pid === 0) return []
  const mounts = parseMountInfo(await readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => ''))
  const maps = await Promise.all(treeOf(pid).map((member) => readFile(`/proc/${member}/maps`, 'utf8').catch(() => '')))
  return [...new Set(maps.flatMap(sharedWritableFiles))]
    .map((file) => pathInFolder(file, mounts, root.identity))
    .filter((file) => file !== undefined)
    .map(bytesOf)
}

async function filesWrittenIn(root: SyncedRoot, { fromMs, toMs }: Window): Promise<string[]> {
  const folder = root.layers?.upper ?? root.folder
  const times = ['-newermt', `@${fromMs / 1000}`, '!', '-newermt', `@${toMs / 1000}`]
  const { stdout } = await run('find', [folder, '-xdev', '-type', 'f', ...times, '-printf', '%P\\0'], { reject: false })
  return stdout
    .split('\0')
    .filter((name) => name !== '')
    .map(bytesOf)
}

function bytesOf(name: string): string {
  return Buffer.from(name).toString('latin1')
}
