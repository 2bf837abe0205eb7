// Pages of criu's images that were sent before: processes forked from one have most of them in common. Pure, but for the memory it holds.
//
// Both ends keep the pages that were sent as they are, in order, and count them alike; what is the same is then named by its number.

export const pageBytes = 4096

const chunkPages = 256
const chunkBytes = chunkPages * pageBytes

export type Piece =
  /** Both ends keep them. */
  | { kind: 'new'; at: number; length: number }
  | { kind: 'again'; first: number; pages: number }
  /** Kept by nobody. */
  | { kind: 'plain'; at: number; length: number }

/** 64 MiB on either end. More than that is memory that is each process's own, in which nothing repeats. */
const mostPages = 16_384

/** Pages in the order in which they were sent as they are. */
export class SentPages {
  readonly #chunks: Buffer[] = []
  #bytes = 0

  get pages(): number {
    return Math.floor(this.#bytes / pageBytes)
  }

  get full(): boolean {
    return this.pages >= mostPages
  }

  /** In pieces of any size. */
  append(bytes: Buffer): void {
    if (this.#bytes + bytes.length > mostPages * pageBytes) throw new Error(`more than ${mostPages} pages to keep`)
    for (let at = 0; at < bytes.length; ) {
      const inChunk = this.#bytes % chunkBytes
      if (inChunk === 0) this.#chunks.push(Buffer.allocUnsafeSlow(chunkBytes))
      const copied = bytes.copy(this.#chunks.at(-1) as Buffer, inChunk, at)
      this.#bytes += copied
      at += copied
    }
  }

  /** As many of `pages` from `first` on as lie in one piece of memory. */
  read(first: number, pages: number): Buffer {
    if (first < 0 || pages < 1 || first + pages > this.pages) throw new Error(`page ${first} and ${pages} from it were never sent`)
    const at = (first % chunkPages) * pageBytes
    const inside = Math.min(pages, chunkPages - (first % chunkPages))
    return (this.#chunks[Math.floor(first / chunkPages)] as Buffer).subarray(at, at + inside * pageBytes)
  }

  /** How many pages of `bytes` at `at` are those from `first` on. Large comparisons first: a call each is what costs. */
  sameRun(first: number, bytes: Buffer, at: number, pages: number): number {
    if (first >= this.pages) return 0
    const known = this.read(first, Math.min(pages, this.pages - first))
    const limit = known.length / pageBytes
    let run = 0
    for (let step = limit; step >= 1 && run < limit; ) {
      const length = Math.min(step, limit - run) * pageBytes
      const from = run * pageBytes
      if (known.compare(bytes, at + from, at + from + length, from, from + length) === 0) run += length / pageBytes
      else step = step === 1 ? 0 : Math.ceil(step / 2)
    }
    return run
  }
}

/** The sender's side: knows where a page may be found. */
export class PageRepeats {
  readonly #sent = new SentPages()
  readonly #byFingerprint = new Map<number, number>()
  #expected = 0

  /** `bytes` from 0 to `length`, all of it. */
  split(bytes: Buffer, length: number): Piece[] {
    const pieces: Piece[] = []
    let at = 0
    while (at + pageBytes <= length && !this.#sent.full)
      at += this.#next(bytes, at, Math.floor((length - at) / pageBytes), pieces) * pageBytes
    if (at < length) pieces.push({ kind: 'plain', at, length: length - at })
    return pieces
  }

  /** A page is expected behind the last one; if not, it may be anywhere. What is taken has been compared byte for byte. */
  #next(bytes: Buffer, at: number, pages: number, pieces: Piece[]): number {
    let run = this.#sent.sameRun(this.#expected, bytes, at, pages)
    if (run === 0) {
      const found = this.#byFingerprint.get(fingerprint(bytes, at))
      run = found === undefined ? 0 : this.#sent.sameRun(found, bytes, at, pages)
      if (found !== undefined && run > 0) this.#expected = found
    }
    if (run === 0) return this.#addPage(bytes, at, pieces)
    addAgain(pieces, this.#expected, run)
    this.#expected += run
    return run
  }

  #addPage(bytes: Buffer, at: number, pieces: Piece[]): number {
    this.#byFingerprint.set(fingerprint(bytes, at), this.#sent.pages)
    this.#sent.append(bytes.subarray(at, at + pageBytes))
    addNew(pieces, at, pageBytes)
    // A changed page in the middle of a run: the run goes on behind it.
    this.#expected += 1
    return 1
  }
}

/** A few words of the page. It only has to find candidates. */
function fingerprint(bytes: Buffer, at: number): number {
  let low = 0
  let high = 0
  for (let offset = 0; offset < pageBytes; offset += 256) {
    low = (Math.imul(low, 31) + bytes.readInt32LE(at + offset)) | 0
    high = (Math.imul(high, 37) + bytes.readInt32LE(at + offset + 128)) | 0
  }
  return (low >>> 0) * 0x20_0000 + (high & 0x1f_ffff)
}

function addNew(pieces: Piece[], at: number, length: number): void {
  const last = pieces.at(-1)
  if (last?.kind === 'new' && last.at + last.length === at) last.length += length
  else pieces.push({ kind: 'new', at, length })
}

function addAgain(pieces: Piece[], first: number, pages: number): void {
  const last = pieces.at(-1)
  if (last?.kind === 'again' && last.first + last.pages === first) last.pages += pages
  else pieces.push({ kind: 'again', first, pages })
}
