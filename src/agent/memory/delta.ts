// An image's pages as pieces: what the destination has already, where it has it, and bytes that it has not. Pure.
//
// criu writes a process's pages into a file in the order in which they were copied. So the copy of a large segment is, most likely, that file
// already but for the pages that changed: the destination takes it as the file (adopt), and pages are only named to be in place (keep) or
// written over. When that turns out wrong (pages came or went in the middle) it goes back to copying (detach, pooled).
import { type PagePool, pageBytes, type Segment } from './page-pool.ts'

export type Piece =
  | { kind: 'adopt'; segment: number }
  | { kind: 'keep'; pages: number }
  | { kind: 'detach' }
  /** Pages of a segment, counted from its beginning. */
  | { kind: 'pooled'; segment: number; page: number; pages: number }
  | { kind: 'bytes'; at: number; length: number }

/** Below this a copy costs nothing. */
const leastAdoptedPages = 1024
/** Pages at a file's beginning that decide whose it is: most of them have to be the same. */
const judgedPages = 16
/** So many pages in a row that are the same as those elsewhere have moved. */
const movedPages = 8
const farthestPages = 16

export class DeltaReader {
  readonly #pool: PagePool
  readonly #adopted: Set<number>
  #expected = 0
  #position = 0
  #own: Segment | undefined
  #inPlace = false

  /** `adopted`: segments that another file took, shared by all readers of a move. */
  constructor(pool: PagePool, adopted: Set<number> = new Set()) {
    this.#pool = pool
    this.#adopted = adopted
  }

  /** `bytes` from 0 to `length`; a last part that is no whole page goes as bytes. */
  split(bytes: Buffer, length: number): Piece[] {
    const pieces: Piece[] = []
    if (this.#position === 0) this.#adopt(bytes, length, pieces)
    let at = 0
    while (at + pageBytes <= length)
      at += (this.#inPlace ? this.#stay(bytes, at, length, pieces) : this.#next(bytes, at, length, pieces)) * pageBytes
    if (at < length) addBytes(pieces, at, length - at)
    return pieces
  }

  #adopt(bytes: Buffer, length: number, pieces: Piece[]): void {
    const pages = Math.min(judgedPages, Math.floor(length / pageBytes))
    const likeness = (segment: Segment): number => {
      let same = 0
      for (let page = 0; page < pages; page++) same += this.#pool.equalRun(segment.first + page, bytes, page * pageBytes, 1)
      return same
    }
    const candidates = this.#pool.segments.filter(({ id, pages: size }) => size >= leastAdoptedPages && !this.#adopted.has(id))
    const best = candidates.map((segment) => ({ segment, same: likeness(segment) })).sort((a, b) => b.same - a.same)[0]
    if (!best || best.same * 2 <= pages) return
    this.#own = best.segment
    this.#inPlace = true
    this.#adopted.add(best.segment.id)
    pieces.push({ kind: 'adopt', segment: best.segment.id })
  }

  /** The page should be where it is. */
  #stay(bytes: Buffer, at: number, length: number, pieces: Piece[]): number {
    const own = this.#own as Segment
    const left = Math.min(Math.floor((length - at) / pageBytes), own.pages - this.#position)
    const run = this.#pool.equalRun(own.first + this.#position, bytes, at, left)
    if (run > 0) {
      addKeep(pieces, run)
    } else if (left > 0 && this.#hasMoved(bytes, at, left)) {
      pieces.push({ kind: 'detach' })
      this.#inPlace = false
      this.#expected = own.first + this.#position
      return 0
    } else this.#addPage(at, pieces)
    this.#position += Math.max(run, 1)
    return Math.max(run, 1)
  }

  /** What comes is what stands elsewhere, mostly a little before or behind: pages came in or went, and all that follow have moved. */
  #hasMoved(bytes: Buffer, at: number, left: number): boolean {
    const here = (this.#own as Segment).first + this.#position
    const wanted = Math.min(movedPages, left)
    const found = this.#pool.candidate(bytes, at)
    if (found !== undefined && found !== here && this.#pool.sameRun(found, bytes, at, wanted) === wanted) return true
    for (let distance = 1; distance <= farthestPages; distance++) {
      for (const page of [here - distance, here + distance]) if (this.#pool.sameRun(page, bytes, at, wanted) === wanted) return true
    }
    return false
  }

  /** Written over what the destination has there: nobody may be sent there for it any more. */
  #addPage(at: number, pieces: Piece[]): void {
    const own = this.#own as Segment
    if (this.#position < own.pages) this.#pool.spoil(own.first + this.#position, 1)
    addBytes(pieces, at, pageBytes)
  }

  /** The page is expected behind the last one; if not, it may be anywhere. What is taken has been compared byte for byte. */
  #next(bytes: Buffer, at: number, length: number, pieces: Piece[]): number {
    const pagesLeft = Math.floor((length - at) / pageBytes)
    let run = this.#pool.equalRun(this.#expected, bytes, at, pagesLeft)
    if (run === 0) run = this.#jump(bytes, at, pagesLeft)
    if (run > 0) this.#addRun(pieces, run)
    else addBytes(pieces, at, pageBytes)
    this.#expected += Math.max(run, 1)
    this.#position += Math.max(run, 1)
    return Math.max(run, 1)
  }

  #jump(bytes: Buffer, at: number, pagesLeft: number): number {
    const found = this.#pool.find(bytes, at)
    if (found === undefined) return 0
    this.#expected = found
    return this.#pool.equalRun(found, bytes, at, pagesLeft)
  }

  #addRun(pieces: Piece[], pages: number): void {
    let [page, left] = [this.#expected, pages]
    while (left > 0) {
      const { id, first, pages: size } = this.#pool.segmentOf(page)
      const inside = Math.min(left, first + size - page)
      addPooled(pieces, id, page - first, inside)
      page += inside
      left -= inside
    }
  }
}

function addKeep(pieces: Piece[], pages: number): void {
  const last = pieces.at(-1)
  if (last?.kind === 'keep') last.pages += pages
  else pieces.push({ kind: 'keep', pages })
}

function addPooled(pieces: Piece[], segment: number, page: number, pages: number): void {
  const last = pieces.at(-1)
  if (last?.kind === 'pooled' && last.segment === segment && last.page + last.pages === page) last.pages += pages
  else pieces.push({ kind: 'pooled', segment, page, pages })
}

function addBytes(pieces: Piece[], at: number, length: number): void {
  const last = pieces.at(-1)
  if (last?.kind === 'bytes' && last.at + last.length === at) last.length += length
  else pieces.push({ kind: 'bytes', at, length })
}
