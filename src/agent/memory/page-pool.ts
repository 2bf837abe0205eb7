// Pages copied before the freeze, in the order in which they were sent: what the destination has already, byte for byte.
// Pure, but for the memory it holds.

export const pageBytes = 4096
const chunkBytes = 1 << 20
const chunkPages = chunkBytes / pageBytes

export class PagePool {
  readonly #maximumPages: number
  readonly #chunks: Buffer[] = []
  readonly #byFingerprint = new Map<number, number>()
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

  /** Room for pages at the end, all in one buffer; `taken` says how many of them were filled. */
  room(wishedPages: number): { buffer: Buffer; at: number; pages: number } {
    const inChunk = this.#pages % chunkPages
    if (inChunk === 0 && this.#chunks.length * chunkPages === this.#pages) this.#chunks.push(Buffer.allocUnsafeSlow(chunkBytes))
    const pages = Math.min(wishedPages, chunkPages - inChunk, this.#maximumPages - this.#pages)
    return { buffer: this.#chunks[Math.floor(this.#pages / chunkPages)] as Buffer, at: inChunk * pageBytes, pages }
  }

  taken(pages: number): void {
    for (let page = this.#pages; page < this.#pages + pages; page++) this.#index(page)
    this.#pages += pages
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

  equals(page: number, bytes: Buffer, at: number): boolean {
    if (page >= this.#pages) return false
    const from = (page % chunkPages) * pageBytes
    return this.#chunkOf(page).compare(bytes, at, at + pageBytes, from, from + pageBytes) === 0
  }

  /** How many pages from here on are the same, at most `pages`: large comparisons first, a call each is what costs. */
  equalRun(page: number, bytes: Buffer, at: number, pages: number): number {
    const limit = Math.min(pages, this.#pages - page, chunkPages - (page % chunkPages))
    if (limit <= 0) return 0
    const from = (page % chunkPages) * pageBytes
    const chunk = this.#chunkOf(page)
    let run = 0
    for (let step = limit; step >= 1; ) {
      const length = Math.min(step, limit - run) * pageBytes
      if (length === 0) break
      const [own, other] = [from + run * pageBytes, at + run * pageBytes]
      if (chunk.compare(bytes, other, other + length, own, own + length) === 0) run += length / pageBytes
      else step = step === 1 ? 0 : Math.ceil(step / 2)
    }
    return run
  }

  /** A page with this content, wherever it is. */
  find(bytes: Buffer, at: number): number | undefined {
    const page = this.#byFingerprint.get(fingerprint(bytes, at))
    return page !== undefined && this.equals(page, bytes, at) ? page : undefined
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
