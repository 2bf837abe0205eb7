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

function pooled(contents: readonly number[]): PagePool {
  const pool = new PagePool(1 << 30)
  for (const content of contents) {
    const room = pool.room(1)
    page(content).copy(room.buffer, room.at)
    pool.taken(1)
  }
  return pool
}

function rebuild(pieces: readonly Piece[], image: Buffer, contents: readonly number[]): Buffer {
  return Buffer.concat(
    pieces.map((piece) =>
      piece.kind === 'bytes'
        ? image.subarray(piece.at, piece.at + piece.length)
        : Buffer.concat(contents.slice(piece.page, piece.page + piece.pages).map(page)),
    ),
  )
}

const content = fc.integer({ min: 0, max: 40 })

describe('the delta against copied pages', () => {
  it('rebuilds any image, cut anywhere', () => {
    fc.assert(
      fc.property(fc.array(content, { maxLength: 300 }), fc.array(content, { maxLength: 60 }), fc.nat(pageBytes), (before, now, tail) => {
        const image = Buffer.concat([...now.map(page), Buffer.alloc(tail, 7)])
        const pieces = new DeltaReader(pooled(before)).split(image, image.length)
        expect(rebuild(pieces, image, before).equals(image)).to.equal(true)
      }),
      { numRuns: 60 },
    )
  })

  it('sends nothing of what did not change, across chunks of the pool', () => {
    const before = Array.from({ length: 700 }, (_, index) => index)
    const image = Buffer.concat(before.map(page))
    expect(new DeltaReader(pooled(before)).split(image, image.length)).to.deep.equal([{ kind: 'pooled', page: 0, pages: 700 }])
  })

  it('sends only what changed, came in or went', () => {
    const before = Array.from({ length: 100 }, (_, index) => index)
    const now = [...before.slice(0, 20), 1000, ...before.slice(21, 50), 1001, 1002, ...before.slice(50, 70), ...before.slice(80)]
    const image = Buffer.concat(now.map(page))
    const pieces = new DeltaReader(pooled(before)).split(image, image.length)
    const sent = pieces.filter((piece) => piece.kind === 'bytes').reduce((sum, piece) => sum + piece.length, 0)
    expect(sent).to.equal(3 * pageBytes)
  })

  it('goes on over several reads of a growing file', () => {
    const before = Array.from({ length: 20 }, (_, index) => index)
    const reader = new DeltaReader(pooled(before))
    const [first, second] = [before.slice(0, 8), before.slice(8)].map((part) => Buffer.concat(part.map(page))) as [Buffer, Buffer]
    expect(reader.split(first, first.length)).to.deep.equal([{ kind: 'pooled', page: 0, pages: 8 }])
    expect(reader.split(second, second.length)).to.deep.equal([{ kind: 'pooled', page: 8, pages: 12 }])
  })

  it('does not believe a fingerprint', () => {
    const pool = pooled([5])
    const other = page(5)
    other[3] = 1 // no word that the fingerprint looks at
    other[77] = 1
    expect(new DeltaReader(pool).split(other, pageBytes)).to.deep.equal([{ kind: 'bytes', at: 0, length: pageBytes }])
  })

  it('takes no more than the pool may hold', () => {
    const pool = new PagePool(3 * pageBytes)
    const room = pool.room(10)
    expect(room.pages).to.equal(3)
    pool.taken(3)
    expect(pool.full).to.equal(true)
  })

  it('sees a page that was replaced', () => {
    const pool = pooled([1, 2, 3])
    pool.replace(1, Buffer.concat([page(0), page(9)]), pageBytes)
    const image = Buffer.concat([page(1), page(9), page(3)])
    expect(new DeltaReader(pool).split(image, image.length)).to.deep.equal([{ kind: 'pooled', page: 0, pages: 3 }])
  })
})
