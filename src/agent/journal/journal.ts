// The journal on disk: one file of lines per migration, written before the act; what survives the agent and the node.
import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import { foldAll, type JournalRecord, type Move } from '../protocol/move.ts'
import { decodeLines, encodeLine } from './line.ts'

/** More than any move writes; a file that grows past it is a loop of ours. */
const maximumRecords = 2000

export class Journal {
  readonly #folder: string
  readonly #open = new Map<string, { fd: number; records: number }>()

  constructor(folder: string) {
    this.#folder = folder
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  }

  /** All moves this node knows, by UID. Cuts torn ends off, so that the next record does not follow half a line. */
  load(): Map<string, Move> {
    const moves = new Map<string, Move>()
    for (const name of readdirSync(this.#folder)) {
      if (!name.endsWith('.jsonl')) continue
      const uid = name.slice(0, -'.jsonl'.length)
      const move = this.#read(uid)
      if (move) moves.set(uid, move)
      else this.forget(uid)
    }
    return moves
  }

  /** Synchronous on purpose: nothing else of the agent runs between the decision, its record and the act. */
  append(uid: string, records: readonly JournalRecord[], durable: boolean): void {
    if (records.length === 0) return
    const file = this.#file(uid)
    file.records += records.length
    if (file.records > maximumRecords) throw new Error(`Writing the journal of migration ${uid}: over ${maximumRecords} records`)
    writeSync(file.fd, records.map(encodeLine).join(''))
    if (durable) fdatasyncSync(file.fd)
  }

  forget(uid: string): void {
    const file = this.#open.get(uid)
    if (file) closeSync(file.fd)
    this.#open.delete(uid)
    rmSync(this.#path(uid), { force: true })
  }

  close(): void {
    for (const file of this.#open.values()) closeSync(file.fd)
    this.#open.clear()
  }

  #read(uid: string): Move | undefined {
    const text = readFileSync(this.#path(uid), 'utf8')
    const { records, wholeBytes } = decodeLines(text)
    if (wholeBytes < Buffer.byteLength(text)) truncateSync(this.#path(uid), wholeBytes)
    return foldAll(uid, records)
  }

  #file(uid: string): { fd: number; records: number } {
    const known = this.#open.get(uid)
    if (known) return known
    const file = { fd: openSync(this.#path(uid), 'a', 0o600), records: 0 }
    this.#open.set(uid, file)
    syncFolder(this.#folder)
    return file
  }

  #path(uid: string): string {
    return path.join(this.#folder, `${uid}.jsonl`)
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
