// Files that a process writes through memory: their modification time does not tell, so their contents are compared.
import type { Mount } from './mount-info.ts'

/** `from-to rw-s offset device inode /path`: one pass over the text, some hundred lines for each process and read inside the freeze. */
const sharedWritable = /^[0-9a-f]+-[0-9a-f]+ .w.s \S+ \S+ [1-9]\d* +(\/.*)$/gm

/** Shared writable mappings of files from /proc/<pid>/maps; a deleted file travels with the process's images. */
export function sharedWritableFiles(maps: string): string[] {
  const files = [...maps.matchAll(sharedWritable)].map(([, file = '']) => file)
  return [...new Set(files)].filter((file) => !file.endsWith(' (deleted)'))
}

export interface SyncedFolder {
  /** major:minor of the folder's file system. */
  device: string
  /** Where in that file system the folder is: end of the mount's root, `/` for a file system of its own. */
  rootSuffix: string
}

/** The file's path inside the folder, if the mount that shows it to the process is (a part of) that folder. */
export function pathInFolder(file: string, mounts: readonly Mount[], folder: SyncedFolder): string | undefined {
  const mount = mountOf(file, mounts)
  if (!mount || mount.device !== folder.device) return undefined
  const start = folder.rootSuffix === '/' ? 0 : mount.root.indexOf(folder.rootSuffix)
  if (start < 0) return undefined
  const inside = folder.rootSuffix === '/' ? mount.root : mount.root.slice(start + folder.rootSuffix.length)
  const below = mount.mountPoint === '/' ? file : file.slice(mount.mountPoint.length)
  const relative = `${inside === '/' ? '' : inside}${below}`.replace(/^\/+/, '')
  return relative === '' ? undefined : relative
}

/** The innermost mount, the last one where several lie on one another. */
function mountOf(file: string, mounts: readonly Mount[]): Mount | undefined {
  const holding = mounts.filter(({ mountPoint }) => mountPoint === '/' || file === mountPoint || file.startsWith(`${mountPoint}/`))
  const longest = Math.max(...holding.map((mount) => mount.mountPoint.length))
  return holding.findLast((mount) => mount.mountPoint.length === longest)
}
