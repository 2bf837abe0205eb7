// Opens a plain file below a folder without following any link on the way: the way lies in the pod's own files, and the pod may be running.
import { closeSync, constants, fstatSync, openSync, type Stats } from 'node:fs'

/** Linux's O_PATH, which Node does not name: a handle on what is there, without opening it. A device or a pipe is then only looked at. */
const handleOnly = 0o10000000
const folderOnly = handleOnly | constants.O_DIRECTORY | constants.O_NOFOLLOW

export interface Beneath {
  fd: number
  inode: number
  bytes: number
}

/** `name`: relative, bytes one a character. Throws unless it is a plain file with one name. */
export function openBeneath(root: string, name: string, flags: number): Beneath {
  return atFolder(root, name, (folder, word) => {
    const handle = openSync(inside(folder, word), handleOnly | constants.O_NOFOLLOW)
    try {
      const { ino: inode, size: bytes, nlink } = plain(handle, name)
      if (nlink !== 1) throw new Error(`"${name.slice(0, 200)}" has ${nlink} names`)
      return { fd: openSync(`/proc/self/fd/${handle}`, flags), inode, bytes }
    } finally {
      closeSync(handle)
    }
  })
}

/** Undefined: gone, a link by now, or with several names. */
export function openQuietly(root: string, name: string): Beneath | undefined {
  try {
    return openBeneath(root, name, constants.O_RDONLY)
  } catch {
    return undefined
  }
}

/**
 * The file as its own file system has it, in `folder`, of one that a root shows with `inode`. An overlay shows the inode of its upper file as its own,
 * but for one that came up from below: undefined.
 */
export function openOwn(folder: string, name: string, inode: number): number | undefined {
  const own = openQuietly(folder, name)
  if (own && own.inode !== inode) closeSync(own.fd)
  return own?.inode === inode ? own.fd : undefined
}

/** An empty file, of nobody else, in a folder that exists; throws if there is anything of that name. */
export function createBeneath(root: string, name: string): number {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
  return atFolder(root, name, (folder, word) => openSync(inside(folder, word), flags, 0o600))
}

function atFolder<T>(root: string, name: string, use: (folder: number, word: string) => T): T {
  const words = name.split('/')
  if (words.some((word) => word === '' || word === '.' || word === '..')) throw new Error(`"${name.slice(0, 200)}" is no plain path`)
  let folder = openSync(root, handleOnly | constants.O_DIRECTORY)
  try {
    for (const word of words.slice(0, -1)) {
      const next = openSync(inside(folder, word), folderOnly)
      closeSync(folder)
      folder = next
    }
    return use(folder, words.at(-1) as string)
  } finally {
    closeSync(folder)
  }
}

function inside(handle: number, word: string): Buffer {
  return Buffer.from(`/proc/self/fd/${handle}/${word}`, 'latin1')
}

function plain(handle: number, name: string): Stats {
  const found = fstatSync(handle)
  if (!found.isFile()) throw new Error(`"${name.slice(0, 200)}" is no plain file`)
  return found
}
