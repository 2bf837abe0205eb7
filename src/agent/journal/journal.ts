// The journal: one file of lines per migration, written before the act; what survives the agent and the node.
import { CodedError, messageOf } from '../../runtime/errors.ts'
import { foldAll, type JournalRecord, type Move } from '../protocol/move.ts'
import { decodeLines, encodeLine } from './line.ts'

/** Where the lines are kept: a folder on the node's disk, or the simulation's. */
export interface JournalFiles {
  names(): string[]
  read(name: string): string
  cut(name: string, bytes: number): void
  /** Returns how many bytes were written: a full disk may take only some of them. */
  append(name: string, text: string): number
  sync(name: string): void
  remove(name: string): void
  /** Keeps some space for bad days; false: there is not even that. Asked again it looks again. */
  reserve(): boolean
  /** Gives it back to the records; false: it was given back before. */
  useReserve(): boolean
  close(): void
}

// A move that was opened must be able to end on a disk that somebody fills meanwhile: space is kept for that, and without it no move is opened.

/** More than any move writes; a file that grows past it is a loop of ours. */
const maximumRecords = 2000
const ending = '.jsonl'

export class Journal {
  readonly #files: JournalFiles
  /** Whole records and bytes of each file. */
  readonly #written = new Map<string, { records: number; bytes: number }>()

  constructor(files: JournalFiles) {
    this.#files = files
  }

  /** All moves this node knows, by UID. Cuts torn ends off, so that the next record does not follow half a line. */
  load(): Map<string, Move> {
    const moves = new Map<string, Move>()
    for (const name of this.#files.names()) {
      if (!name.endsWith(ending)) continue
      const uid = name.slice(0, -ending.length)
      const move = this.#read(uid)
      if (move) moves.set(uid, move)
      else this.forget(uid)
    }
    return moves
  }

  /** Synchronous on purpose: nothing else of the agent runs between the decision, its record and the act. All of it or, when it throws, nothing. */
  append(uid: string, records: readonly JournalRecord[], durable: boolean): void {
    if (records.length === 0) return
    const written = this.#written.get(uid) ?? { records: 0, bytes: 0 }
    if (written.records + records.length > maximumRecords)
      throw new Error(`Writing the journal of migration ${uid}: it has ${written.records} records, more than ${maximumRecords} are a loop`)
    const text = records.map(encodeLine).join('')
    if (written.records === 0 && !this.#files.reserve()) throw diskFull(uid, 'no space is left that could be kept for its end')
    this.#write(uid, text, written.bytes, durable)
    this.#written.set(uid, { records: written.records + records.length, bytes: written.bytes + Buffer.byteLength(text) })
  }

  forget(uid: string): void {
    this.#written.delete(uid)
    this.#files.remove(uid + ending)
  }

  close(): void {
    this.#files.close()
  }

  #write(uid: string, text: string, before: number, durable: boolean): void {
    const failure = this.#tryWrite(uid + ending, text, before, durable)
    if (failure === undefined) return
    const again = this.#files.useReserve() ? this.#tryWrite(uid + ending, text, before, durable) : failure
    if (again !== undefined) throw diskFull(uid, again)
  }

  /** What did not reach the disk as a whole must not be there after a restart either: the caller is told that it was not written. */
  #tryWrite(name: string, text: string, before: number, durable: boolean): string | undefined {
    try {
      const bytes = this.#files.append(name, text)
      if (bytes < Buffer.byteLength(text)) throw new Error(`the disk took ${bytes} of ${Buffer.byteLength(text)} bytes`)
      if (durable) this.#files.sync(name)
      return undefined
    } catch (error) {
      this.#takeBack(name, before)
      return messageOf(error)
    }
  }

  #takeBack(name: string, bytes: number): void {
    try {
      this.#files.cut(name, bytes)
    } catch {
      // A torn end is cut at the next start as well.
    }
  }

  #read(uid: string): Move | undefined {
    const name = uid + ending
    const text = this.#files.read(name)
    const { records, wholeBytes } = decodeLines(text)
    if (wholeBytes < Buffer.byteLength(text)) this.#files.cut(name, wholeBytes)
    this.#written.set(uid, { records: records.length, bytes: wholeBytes })
    return foldAll(uid, records)
  }
}

function diskFull(uid: string, reason: string): CodedError {
  const message = `Writing the journal of migration ${uid}: ${reason}: free space on the disk of the agent's state folder`
  return new CodedError('JournalNotWritten', message, { retryable: true })
}
