// Looks into the processes of a pod for files that they write through memory.
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
  const mounts = parseMountInfo(await readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => ''))
  const maps = await Promise.all(treeOf(pid).map((member) => readFile(`/proc/${member}/maps`, 'latin1').catch(() => '')))
  return [...new Set(maps.flatMap(sharedWritableFiles))]
    .map((file) => pathInFolder(file, mounts, root.identity))
    .filter((file) => file !== undefined)
}
