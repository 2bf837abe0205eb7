// What the estimate makes of memory and of how much of it is touched.
import { expect } from 'chai'
import { Inventory } from '../../src/api/agent-wire.ts'
import { estimateMove } from '../../src/migrator/estimate.ts'
import { inventory, makeMigration } from './world.ts'

const rounds = { mode: 'PreCopy', preCopyMaxRounds: 5 } as const
const heap = { ...inventory, processes: 1, memoryBytes: 4 * 2 ** 30, touchedBytes: 0, touchedInMs: 250 }
const freezeMs = (change: Partial<typeof inventory>, spec: Parameters<typeof estimateMove>[1] = rounds): number =>
  estimateMove({ ...heap, ...change }, spec).freezeMs

describe('the estimate of a move', () => {
  it('does not grow with memory that nobody touches', () => expect(freezeMs({})).to.equal(freezeMs({ memoryBytes: 50 * 2 ** 20 })))

  it('grows with what is touched, and with fewer rounds', () => {
    const [still, some, much] = [0, 25, 100].map((megabytes) => freezeMs({ touchedBytes: megabytes * 2 ** 20 }))
    expect(some).to.be.greaterThan(still as number)
    expect(much).to.be.greaterThan(some as number)
    const touchedBytes = 100 * 2 ** 20
    expect(freezeMs({ touchedBytes }, { ...rounds, preCopyMaxRounds: 2 })).to.be.greaterThan(much as number)
  })

  describe('of a pod with files that change', () => {
    const gigabyte = 2 ** 30
    const filesMs = (change: Partial<typeof inventory>): number => freezeMs({ restlessBytes: gigabyte, ...change }) - freezeMs({})

    it('grows with all of them where nothing tells where they are written', () => expect(filesMs({})).to.be.within(250, 400))

    it('grows with what is written of them where the kernel tells, however large they are', () => {
      const written = { watchedBytes: gigabyte, rewrittenBytes: 5 * 2 ** 20 }
      expect(filesMs({ ...written, rewrittenBytes: 0 })).to.equal(0)
      expect(filesMs(written)).to.be.within(15, 60)
      const larger = { restlessBytes: 100 * gigabyte, watchedBytes: 100 * gigabyte }
      expect(filesMs({ ...written, ...larger })).to.be.closeTo(filesMs(written), 1)
      expect(filesMs({ ...written, rewrittenInMs: 1000 }), 'in a longer time').to.be.below(filesMs(written) / 2)
    })

    it('grows with those alone that cannot be watched', () => {
      const half = { watchedBytes: gigabyte / 2, rewrittenBytes: 0 }
      expect(filesMs(half)).to.be.closeTo(filesMs({}) / 2, 1)
    })

    it('is finite for one of which everything is written, and more than was there', () =>
      expect(filesMs({ watchedBytes: gigabyte, rewrittenBytes: 2 * gigabyte })).to.be.within(filesMs({}), 10_000))

    it('counts all of them as long as an agent of before does not say more', () => {
      const { watchedBytes: _, rewrittenBytes: __, rewrittenInMs: ___, ...before } = { ...heap, restlessBytes: gigabyte }
      expect(estimateMove(Inventory.parse(before), rounds).freezeMs).to.equal(freezeMs({ restlessBytes: gigabyte }))
    })
  })

  it('grows with the processes', () => expect(freezeMs({ processes: 18 })).to.be.greaterThan(freezeMs({}) + 100))

  it('is no more than dumping all of it, whatever is touched', () => {
    const touchedBytes = heap.memoryBytes
    expect(freezeMs({ touchedBytes })).to.be.below(freezeMs({ touchedBytes }, { ...rounds, mode: 'Cold' }) + 1)
  })

  it('does not grow with what is touched in mode PostCopy: that follows after the freeze', () =>
    expect(freezeMs({ touchedBytes: heap.memoryBytes }, { ...rounds, mode: 'PostCopy' })).to.equal(freezeMs({})))

  it('counts all memory into the freeze of mode Cold', () =>
    expect(freezeMs({}, { ...rounds, mode: 'Cold' })).to.be.greaterThan(10 * freezeMs({})))

  it('keeps to the pace of the last moves, and to that of its own correction', () => {
    const moved = (freeze: number, estimated: number, pace?: number) => ({
      ...makeMigration(),
      status: {
        phase: 'Complete' as const,
        completedAt: '2026-01-01T00:00:00Z',
        estimate: { memoryMB: 1, totalSeconds: 1, freezeMs: estimated, ...(pace ? { pace } : {}) },
        freeze: { freezeMs: freeze },
      },
    })
    const after = (...earlier: ReturnType<typeof moved>[]): number => estimateMove(heap, rounds, earlier).freezeMs
    const still = freezeMs({})
    expect(after(moved(200, 100), moved(200, 100), moved(900, 100))).to.be.closeTo(still * 2, 1)
    expect(after(moved(100, 100, 2)), 'it was right').to.be.closeTo(still * 2, 1)
    expect(after(moved(9000, 100)), 'within bounds').to.be.below(still * 3)
  })

  it('is finite for a pod without memory', () => expect(freezeMs({ memoryBytes: 0, touchedBytes: 0 })).to.be.below(1000))
})
