// What of a process's memory criu will dump, from the texts and bytes of /proc.
import { expect } from 'chai'
import { dumpedRuns, isPrivateMemory, isSharedMemory, parseMaps } from '../../../src/agent/memory/mappings.ts'

const maps = `55a4c0a00000-55a4c0b00000 r--p 00000000 00:2a 1234 /usr/lib/postgresql/18/bin/postgres
55a4c1200000-55a4c1300000 rw-p 00000000 00:00 0 [heap]
7f1000000000-7f1008000000 rw-s 00000000 00:01 1279 /dev/zero (deleted)
7f1009000000-7f1009100000 rw-s 00010000 00:01 1280 /memfd: (deleted)
7f100a000000-7f100a100000 rw-s 00000000 00:2b 44 /dev/shm/PostgreSQL.1
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0 [stack]
7ffd00030000-7ffd00034000 r--p 00000000 00:00 0 [vvar]
7ffd00034000-7ffd00036000 r-xp 00000000 00:00 0 [vdso]
`

describe('mappings', () => {
  const mappings = parseMaps(maps)

  it('are read as they are', () => {
    expect(mappings).to.have.length(8)
    expect(mappings[3]).to.deep.equal({
      start: 0x7f1009000000,
      end: 0x7f1009100000,
      shared: true,
      inode: 1280,
      name: '/memfd: (deleted)',
    })
  })

  it('are shared memory when no file travels for them', () => {
    expect(mappings.filter(isSharedMemory).map(({ inode }) => inode)).to.deep.equal([1279, 1280])
  })

  it('are private memory, the kernel s own excepted', () => {
    expect(mappings.filter(isPrivateMemory).map(({ name }) => name)).to.deep.equal([
      '/usr/lib/postgresql/18/bin/postgres',
      '[heap]',
      '[stack]',
    ])
  })
})

describe('pages that are dumped', () => {
  const entry = (present: boolean, file: boolean): bigint => (present ? 1n << 63n : 0n) | (file ? 1n << 61n : 0n)
  const entries = (list: bigint[]): Buffer => {
    const bytes = Buffer.alloc(list.length * 8)
    for (const [index, value] of list.entries()) bytes.writeBigUInt64LE(value, index * 8)
    return bytes
  }

  it('are the present ones that no file holds', () => {
    const bytes = entries([entry(true, false), entry(true, false), entry(false, false), entry(true, true), entry(true, false)])
    expect(dumpedRuns(bytes, 0x10000)).to.deep.equal([
      { address: 0x10000, pages: 2 },
      { address: 0x14000, pages: 1 },
    ])
  })
})
