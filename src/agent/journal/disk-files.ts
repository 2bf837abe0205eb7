// The journal's files on a real disk: one folder, one open file a migration, every call synchronous.
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import type { JournalFiles } from './journal.ts'

/** Some thousand records: what all open moves of a node need to end. */
const reserveBytes = 512 * 1024
const reserveName = 'reserve'

export class DiskFiles implements JournalFiles {
  readonly #folder: string
  readonly #open = new Map<string, number>()

  constructor(folder: string) {
    this.#folder = folder
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  }

  names(): string[] {
    return readdirSync(this.#folder)
  }

  read(name: string): string {
    return readFileSync(this.#path(name), 'utf8')
  }

  cut(name: string, bytes: number): void {
    truncateSync(this.#path(name), bytes)
  }

  append(name: string, text: string): number {
    return writeSync(this.#fd(name), text)
  }

  sync(name: string): void {
    fdatasyncSync(this.#fd(name))
  }

  remove(name: string): void {
    this.#close(name)
    rmSync(this.#path(name), { force: true })
  }

  reserve(): boolean {
    const file = this.#path(reserveName)
    if (existsSync(file) && statSync(file).size === reserveBytes) return true
    try {
      writeWhole(file, Buffer.alloc(reserveBytes))
      syncFolder(this.#folder)
      return true
    } catch {
      rmSync(file, { force: true })
      return false
    }
  }

  useReserve(): boolean {
    const kept = existsSync(this.#path(reserveName))
    rmSync(this.#path(reserveName), { force: true })
    return kept
  }

  close(): void {
    for (const name of this.#open.keys()) this.#close(name)
  }

  #fd(name: string): number {
    const known = this.#open.get(name)
    if (known !== undefined) return known
    const fd = openSync(this.#path(name), 'a', 0o600)
    this.#open.set(name, fd)
    syncFolder(this.#folder)
    return fd
  }

  #close(name: string): void {
    const fd = this.#open.get(name)
    if (fd !== undefined) closeSync(fd)
    this.#open.delete(name)
  }

  #path(name: string): string {
    return path.join(this.#folder, name)
  }
}

/** A new file's name is on disk only when its folder is. */
function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function writeWhole(file: string, content: Buffer): void {
  const fd = openSync(file, 'w', 0o600)
  try {
    for (let at = 0; at < content.length; ) at += writeSync(fd, content, at)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
