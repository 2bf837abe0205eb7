// An image's pages as pieces: runs that the destination has in its pool, and bytes that it has not. Pure.
import { type PagePool, pageBytes } from './page-pool.ts'

export type Piece = { kind: 'pooled'; page: number; pages: number } | { kind: 'bytes'; at: number; length: number }

/**
 * criu writes pages in the order in which they were copied, so the next page is expected where the last one ended; when it is not there it
 * may be anywhere (another process begins, a page came or went). Whatever is taken from the pool has been compared byte for byte.
 */
export class DeltaReader {
  readonly #pool: PagePool
  #expected = 0

  constructor(pool: PagePool) {
    this.#pool = pool
  }

  /** `bytes` from 0 to `length`; a last part that is no whole page goes as bytes. */
  split(bytes: Buffer, length: number): Piece[] {
    const pieces: Piece[] = []
    let at = 0
    while (at + pageBytes <= length) at += this.#next(bytes, at, length, pieces)
    if (at < length) addBytes(pieces, at, length - at)
    return pieces
  }

  #next(bytes: Buffer, at: number, length: number, pieces: Piece[]): number {
    const pagesLeft = Math.floor((length - at) / pageBytes)
    let run = this.#pool.equalRun(this.#expected, bytes, at, pagesLeft)
    if (run === 0) run = this.#jump(bytes, at, pagesLeft)
    if (run > 0) addRun(pieces, this.#expected, run)
    else addBytes(pieces, at, pageBytes)
    this.#expected += Math.max(run, 1)
    return Math.max(run, 1) * pageBytes
  }

  #jump(bytes: Buffer, at: number, pagesLeft: number): number {
    const found = this.#pool.find(bytes, at)
    if (found === undefined) return 0
    this.#expected = found
    return this.#pool.equalRun(found, bytes, at, pagesLeft)
  }
}

function addRun(pieces: Piece[], page: number, pages: number): void {
  const last = pieces.at(-1)
  if (last?.kind === 'pooled' && last.page + last.pages === page) last.pages += pages
  else pieces.push({ kind: 'pooled', page, pages })
}

function addBytes(pieces: Piece[], at: number, length: number): void {
  const last = pieces.at(-1)
  if (last?.kind === 'bytes' && last.at + last.length === at) last.length += length
  else pieces.push({ kind: 'bytes', at, length })
}
