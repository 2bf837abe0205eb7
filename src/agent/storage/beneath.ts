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
  const words = name.split('/')
  if (words.some((word) => word === '' || word === '.' || word === '..')) throw new Error(`"${name.slice(0, 200)}" is no plain path`)
  let handle = openSync(root, handleOnly | constants.O_DIRECTORY)
  try {
    for (const [index, word] of words.entries()) {
      const last = index === words.length - 1
      const next = openSync(inside(handle, word), last ? handleOnly | constants.O_NOFOLLOW : folderOnly)
      closeSync(handle)
      handle = next
    }
    const { ino: inode, size: bytes, nlink } = plain(handle, name)
    if (nlink !== 1) throw new Error(`"${name.slice(0, 200)}" has ${nlink} names`)
    return { fd: openSync(`/proc/self/fd/${handle}`, flags), inode, bytes }
  } finally {
    closeSync(handle)
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
