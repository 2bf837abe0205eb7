// Copying this very process's memory.
import { expect } from 'chai'
import { MemoryCopy } from '../../../src/agent/memory/copy-memory.ts'
import { PagePool, pageBytes } from '../../../src/agent/memory/page-pool.ts'

const none = async (): Promise<[]> => []

describe('copying memory', () => {
  it('finds a page of this process, and sends it again when it changed', async () => {
    const own = Buffer.alloc(1 << 20, 'somewhere in this process ')
    const pool = new PagePool(1 << 28)
    const patched: Buffer[] = []
    let appended = 0
    const sink = {
      append: async (_segment: number, bytes: Buffer) => void (appended += bytes.length),
      patch: async (_segment: number, _page: number, bytes: Buffer) => void patched.push(Buffer.from(bytes)),
    }
    const copy = new MemoryCopy(pool, sink, new AbortController().signal)
    await copy.copyAll([process.pid], none)
    expect(appended).to.equal(pool.pages * pageBytes)
    own.fill('it is something else now ')
    expect(await copy.refresh()).to.be.greaterThan(200)
    expect(patched.some((bytes) => bytes.includes('something else now'))).to.equal(true)
  })

  it('has nothing to copy of a process that is gone', async () => {
    const pool = new PagePool(1 << 28)
    const never = async (): Promise<void> => expect.fail('nothing is there')
    await new MemoryCopy(pool, { append: never, patch: never }, new AbortController().signal).copyAll([2 ** 22 + 1], none)
    expect(pool.pages).to.equal(0)
  })
})
