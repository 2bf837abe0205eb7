// A delta against the pool rebuilds the image exactly, and finds what is there.
import { expect } from 'chai'
import fc from 'fast-check'
import { DeltaReader, type Piece } from '../../../src/agent/memory/delta.ts'
import { PagePool, pageBytes } from '../../../src/agent/memory/page-pool.ts'

/** A page of a kind: the same number is the same page, and most bytes are the same in all of them. */
function page(content: number): Buffer {
  const bytes = Buffer.alloc(pageBytes)
  bytes.writeInt32LE(content, 256 * (content % 4))
  return bytes
}

function pooled(...segments: number[][]): PagePool {
  const pool = new PagePool(1 << 30)
  for (const contents of segments) {
    pool.beginSegment()
    for (const content of contents) {
      const room = pool.room(1)
      page(content).copy(room.buffer, room.at)
      pool.taken(1)
    }
  }
  return pool
}

/** The destination: segments as files, of which an image may become one. */
class Files {
  readonly #segments: Buffer[]

  constructor(segments: readonly number[][]) {
    this.#segments = segments.map((contents) => Buffer.concat([...contents.map(page), Buffer.alloc(2000 * pageBytes)]))
  }

  rebuild(pieces: readonly Piece[], image: Buffer): Buffer {
    let file = Buffer.alloc(image.length + pageBytes)
    let at = 0
    for (const piece of pieces) {
      if (piece.kind === 'adopt') file = this.#segments[piece.segment] as Buffer<ArrayBuffer>
      if (piece.kind === 'detach') file = Buffer.concat([file.subarray(0, at), Buffer.alloc(image.length + pageBytes)])
      if (piece.kind === 'keep') at += piece.pages * pageBytes
      if (piece.kind === 'bytes') at += image.copy(file, at, piece.at, piece.at + piece.length)
      if (piece.kind !== 'pooled') continue
      const from = piece.page * pageBytes
      at += Buffer.from((this.#segments[piece.segment] as Buffer).subarray(from, from + piece.pages * pageBytes)).copy(file, at)
    }
    return file.subarray(0, at)
  }
}

function sentBytes(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, piece) => sum + (piece.kind === 'bytes' ? piece.length : 0), 0)
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index)
}

function split(pool: PagePool, contents: readonly number[]): { pieces: Piece[]; image: Buffer } {
  const image = Buffer.concat(contents.map(page))
  return { pieces: new DeltaReader(pool).split(image, image.length), image }
}

const content = fc.integer({ min: 0, max: 40 })
/** A stretch of a large segment, a changed page, a foreign one. */
const edit = fc.oneof(
  fc.tuple(fc.nat(600), fc.integer({ min: 1, max: 200 })).map(([from, length]) => range(from, from + length)),
  fc.array(fc.integer({ min: 10_000, max: 10_100 }), { minLength: 1, maxLength: 20 }),
  fc.constant(Array.from({ length: 12 }, () => 0)),
)

describe('the delta against copied pages', () => {
  it('rebuilds any image, cut anywhere', function () {
    this.timeout(60_000)
    fc.assert(
      fc.property(
        fc.array(fc.array(content, { maxLength: 100 })),
        fc.array(content, { maxLength: 60 }),
        fc.nat(pageBytes),
        (before, now, tail) => {
          const image = Buffer.concat([...now.map(page), Buffer.alloc(tail, 7)])
          const pieces = new DeltaReader(pooled(...before)).split(image, image.length)
          expect(new Files(before).rebuild(pieces, image).equals(image)).to.equal(true)
        },
      ),
      { numRuns: 30 },
    )
  })

  it('rebuilds images of large segments, read in pieces, whatever came, went, moved or was cleared', function () {
    this.timeout(60_000)
    const before = [range(0, 1700), range(2000, 2300), range(500, 900)]
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 300 }),
        fc.array(edit, { maxLength: 8 }),
        fc.integer({ min: 1, max: 300 }),
        (begin, edits, step) => {
          const now = [...range(0, begin), ...edits.flat(), ...range(begin, 1700)]
          const reader = new DeltaReader(pooled(...before))
          const files = new Files(before)
          const image = Buffer.concat(now.map(page))
          const pieces: Piece[] = []
          for (let at = 0; at < now.length; at += step) {
            const part = image.subarray(at * pageBytes, (at + step) * pageBytes)
            pieces.push(
              ...reader
                .split(part, part.length)
                .map((piece) => (piece.kind === 'bytes' ? { ...piece, at: piece.at + at * pageBytes } : piece)),
            )
          }
          expect(files.rebuild(pieces, image).equals(image)).to.equal(true)
        },
      ),
      { numRuns: 40 },
    )
  })

  it('takes a large segment as the file that it already is', () => {
    expect(split(pooled(range(5000, 5010), range(0, 1700)), range(0, 1700)).pieces).to.deep.equal([
      { kind: 'adopt', segment: 1 },
      { kind: 'keep', pages: 1700 },
    ])
  })

  it('writes only changed pages over it', () => {
    const { pieces } = split(pooled(range(0, 1700)), [...range(0, 300), 9999, ...range(301, 1700)])
    expect(pieces.map(({ kind }) => kind)).to.deep.equal(['adopt', 'keep', 'bytes', 'keep'])
    expect(sentBytes(pieces)).to.equal(pageBytes)
  })

  it('goes back to copying when pages came in', () => {
    const { pieces, image } = split(pooled(range(0, 1700)), [...range(0, 300), 9999, ...range(300, 1700)])
    expect(pieces.some(({ kind }) => kind === 'detach')).to.equal(true)
    expect(sentBytes(pieces)).to.be.lessThan(20 * pageBytes)
    expect(new Files([range(0, 1700)]).rebuild(pieces, image).equals(image)).to.equal(true)
  })

  it('goes back to copying when many pages came in', () => {
    const { pieces, image } = split(pooled(range(0, 1700)), [...range(0, 300), ...range(9000, 9100), ...range(300, 1700)])
    expect(sentBytes(pieces)).to.be.lessThan(220 * pageBytes)
    expect(new Files([range(0, 1700)]).rebuild(pieces, image).equals(image)).to.equal(true)
  })

  it('stays when pages were cleared', () => {
    const cleared = Array.from({ length: 20 }, () => 0)
    const { pieces } = split(pooled(range(0, 1700)), [...range(0, 300), ...cleared, ...range(320, 1700)])
    expect(pieces.some(({ kind }) => kind === 'detach')).to.equal(false)
  })

  it('copies from small segments, across them', () => {
    const { pieces } = split(pooled(range(0, 50), range(50, 100)), range(0, 100))
    expect(pieces).to.deep.equal([
      { kind: 'pooled', segment: 0, page: 0, pages: 50 },
      { kind: 'pooled', segment: 1, page: 0, pages: 50 },
    ])
  })

  it('gives a segment to one file only', () => {
    const pool = pooled(range(0, 1700))
    const adopted = new Set<number>()
    const image = Buffer.concat(range(0, 1700).map(page))
    const [first, second] = [1, 2].map(() => new DeltaReader(pool, adopted).split(image, image.length)[0]?.kind)
    expect([first, second]).to.deep.equal(['adopt', 'pooled'])
  })

  it('does not believe a fingerprint', () => {
    const other = page(5)
    other[77] = 1 // no word that the fingerprint looks at
    expect(new DeltaReader(pooled([5])).split(other, pageBytes)).to.deep.equal([{ kind: 'bytes', at: 0, length: pageBytes }])
  })

  it('takes no more than the pool may hold', () => {
    const pool = new PagePool(3 * pageBytes)
    expect(pool.room(10).pages).to.equal(3)
    pool.taken(3)
    expect(pool.full).to.equal(true)
  })

  it('sees a page that was replaced', () => {
    const pool = pooled([1, 2, 3])
    pool.replace(1, Buffer.concat([page(0), page(9)]), pageBytes)
    expect(sentBytes(split(pool, [1, 9, 3]).pieces)).to.equal(0)
  })
})
