// A file system for the kernel to start from, in the format that it unpacks (cpio, newc): folders and programs. Pure.

export interface Entry {
  name: string
  /** undefined: a folder. */
  content?: Buffer
}

const [folder, program] = [0o040755, 0o100755]
const magic = '070701'
const trailer = 'TRAILER!!!'

export function initramfs(entries: readonly Entry[]): Buffer {
  const pieces = entries.map(({ name, content }, index) => record(name, index + 1, content === undefined ? folder : program, content))
  return Buffer.concat([...pieces, record(trailer, 0, 0)])
}

function record(name: string, inode: number, mode: number, content: Buffer = Buffer.alloc(0)): Buffer {
  const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length + 1, 0]
  const head = Buffer.from(`${magic}${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`)
  return Buffer.concat([padded(head), padded(content)])
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)])
}
