// Pages copied before the freeze, in the order in which they were sent: what the destination has already, byte for byte.
// Pure, but for the memory it holds.

export const pageBytes = 4096
const chunkBytes = 1 << 20
const chunkPages = chunkBytes / pageBytes

/** One process's own memory, or one shared object: probably one file of criu's. */
export interface Segment {
  id: number
  first: number
  pages: number
}

export class PagePool {
  readonly #maximumPages: number
  readonly #chunks: Buffer[] = []
  readonly #byFingerprint = new Map<number, number>()
  readonly #segments: Segment[] = []
  /** Pages that the destination has overwritten meanwhile, and the chunks that have such. */
  readonly #spoiled = new Set<number>()
  readonly #spoiledChunks = new Set<number>()
  #pages = 0

  constructor(maximumBytes: number) {
    this.#maximumPages = Math.floor(maximumBytes / pageBytes)
  }

  get pages(): number {
    return this.#pages
  }

  get full(): boolean {
    return this.#pages >= this.#maximumPages
  }

  get segments(): readonly Segment[] {
    return this.#segments
  }

  beginSegment(): void {
    this.#segments.push({ id: this.#segments.length, first: this.#pages, pages: 0 })
  }

  segmentOf(page: number): Segment {
    let [low, high] = [0, this.#segments.length - 1]
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if ((this.#segments[middle] as Segment).first <= page) low = middle
      else high = middle - 1
    }
    return this.#segments[low] as Segment
  }

  /** Room for pages at the end, all in one buffer; `taken` says how many of them were filled. */
  room(wishedPages: number): { buffer: Buffer; at: number; pages: number } {
    const inChunk = this.#pages % chunkPages
    if (this.#chunks.length * chunkPages === this.#pages) this.#chunks.push(Buffer.allocUnsafeSlow(chunkBytes))
    const pages = Math.min(wishedPages, chunkPages - inChunk, this.#maximumPages - this.#pages)
    return { buffer: this.#chunks[Math.floor(this.#pages / chunkPages)] as Buffer, at: inChunk * pageBytes, pages }
  }

  taken(pages: number): void {
    if (this.#segments.length === 0) this.beginSegment()
    for (let page = this.#pages; page < this.#pages + pages; page++) this.#index(page)
    this.#pages += pages
    ;(this.#segments.at(-1) as Segment).pages += pages
  }

  /** What stands at a page now, for sending it. */
  bytesOf(page: number, pages: number): Buffer {
    const at = (page % chunkPages) * pageBytes
    return this.#chunkOf(page).subarray(at, at + Math.min(pages, chunkPages - (page % chunkPages)) * pageBytes)
  }

  replace(page: number, bytes: Buffer, at: number): void {
    bytes.copy(this.#chunkOf(page), (page % chunkPages) * pageBytes, at, at + pageBytes)
    this.#index(page)
  }

  /** How many pages from here on the destination still has the same, at most `pages`. */
  equalRun(page: number, bytes: Buffer, at: number, pages: number): number {
    return this.sameRun(page, bytes, at, this.#unspoiled(page, Math.min(pages, chunkPages - (page % chunkPages))))
  }

  /** The same as it was copied. Large comparisons first: a call each is what costs. */
  sameRun(page: number, bytes: Buffer, at: number, pages: number): number {
    if (page < 0) return 0
    const limit = Math.min(pages, this.#pages - page, chunkPages - (page % chunkPages))
    const from = (page % chunkPages) * pageBytes
    const chunk = this.#chunks[Math.floor(page / chunkPages)]
    let run = 0
    for (let step = limit; chunk && step >= 1 && run < limit; ) {
      const length = Math.min(step, limit - run) * pageBytes
      const [own, other] = [from + run * pageBytes, at + run * pageBytes]
      if (chunk.compare(bytes, other, other + length, own, own + length) === 0) run += length / pageBytes
      else step = step === 1 ? 0 : Math.ceil(step / 2)
    }
    return run
  }

  /** A page with this content, wherever it is. */
  find(bytes: Buffer, at: number): number | undefined {
    const page = this.candidate(bytes, at)
    return page !== undefined && this.equalRun(page, bytes, at, 1) === 1 ? page : undefined
  }

  /** It may be another page, or written over by now. */
  candidate(bytes: Buffer, at: number): number | undefined {
    return this.#byFingerprint.get(fingerprint(bytes, at))
  }

  spoil(page: number, pages: number): void {
    for (let spoiled = page; spoiled < page + pages; spoiled++) {
      this.#spoiled.add(spoiled)
      this.#spoiledChunks.add(Math.floor(spoiled / chunkPages))
    }
  }

  #unspoiled(page: number, pages: number): number {
    if (!this.#spoiledChunks.has(Math.floor(page / chunkPages))) return pages
    for (let count = 0; count < pages; count++) if (this.#spoiled.has(page + count)) return count
    return pages
  }

  #index(page: number): void {
    this.#byFingerprint.set(fingerprint(this.#chunkOf(page), (page % chunkPages) * pageBytes), page)
  }

  #chunkOf(page: number): Buffer {
    return this.#chunks[Math.floor(page / chunkPages)] as Buffer
  }
}

/** A few words of the page. It only has to find candidates: the bytes are compared before anything is believed. */
function fingerprint(bytes: Buffer, at: number): number {
  let low = 0
  let high = 0
  for (let offset = 0; offset < pageBytes; offset += 256) {
    low = (Math.imul(low, 31) + bytes.readInt32LE(at + offset)) | 0
    high = (Math.imul(high, 37) + bytes.readInt32LE(at + offset + 128)) | 0
  }
  return (low >>> 0) * 0x20_0000 + (high & 0x1f_ffff)
}
