// Looks into the processes of a pod for files that they write through memory.
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { treeOf } from '../criu/process-tree.ts'
import type { StoragePod } from '../rooms.ts'
import { pathInFolder, sharedWritableFiles } from './mapped-files.ts'
import { type Mount, parseMountInfo } from './mount-info.ts'
import type { SyncedRoot } from './synced-roots.ts'

/** What the processes of one container write through memory. */
export interface Mapped {
  files: readonly string[]
  mounts: readonly Mount[]
}

export async function mappedBy(pod: StoragePod): Promise<Mapped[]> {
  return await Promise.all(pod.containers.map((container) => mappedByContainer(container.bundle)))
}

/** Paths inside the root, as bytes one a character. */
export function mappedIn(root: SyncedRoot, mapped: readonly Mapped[]): string[] {
  return mapped.flatMap(({ files, mounts }) =>
    files.map((file) => pathInFolder(file, mounts, root.identity)).filter((file) => file !== undefined),
  )
}

async function mappedByContainer(bundle: string): Promise<Mapped> {
  const pid = Number(await readFile(path.join(bundle, 'init.pid'), 'utf8').catch(() => '0'))
  if (pid === 0) return { files: [], mounts: [] }
  const files = new Set(treeOf(pid).flatMap((member) => sharedWritableFiles(readProc(`${member}/maps`, 'latin1'))))
  return { files: [...files], mounts: files.size === 0 ? [] : parseMountInfo(readProc(`${pid}/mountinfo`, 'utf8')) }
}

/** At once: these files are memory, and a trip through the thread pool costs more than reading them. A process that ended has none. */
function readProc(name: string, encoding: 'latin1' | 'utf8'): string {
  try {
    return readFileSync(`/proc/${name}`, encoding)
  } catch {
    return ''
  }
}
