// Looks into the processes of a pod for files that they write through memory.
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { treeOf } from '../criu/process-tree.ts'
import type { StoragePod } from '../rooms.ts'
import { pathInFolder, sharedWritableFiles } from './mapped-files.ts'
import { parseMountInfo } from './mount-info.ts'
import type { SyncedRoot } from './synced-roots.ts'

/** Paths inside the root, as bytes one a character. */
export async function mappedFiles(root: SyncedRoot, pod: StoragePod): Promise<string[]> {
  const found = await Promise.all(pod.containers.map((container) => mappedFilesOf(root, container.bundle)))
  return found.flat()
}

async function mappedFilesOf(root: SyncedRoot, bundle: string): Promise<string[]> {
  const pid = Number(await readFile(path.join(bundle, 'init.pid'), 'utf8').catch(() => '0'))
  if (pid === 0) return []
  const files = new Set(treeOf(pid).flatMap((member) => sharedWritableFiles(readProc(`${member}/maps`, 'latin1'))))
  if (files.size === 0) return []
  const mounts = parseMountInfo(readProc(`${pid}/mountinfo`, 'utf8'))
  return [...files].map((file) => pathInFolder(file, mounts, root.identity)).filter((file) => file !== undefined)
}

/** At once: these files are memory, and a trip through the thread pool costs more than reading them. A process that ended has none. */
function readProc(name: string, encoding: 'latin1' | 'utf8'): string {
  try {
    return readFileSync(`/proc/${name}`, encoding)
  } catch {
    return ''
  }
}
