// The memory of a process as /proc describes it: which pages criu will dump. Text and bytes in, data out; pure.

export interface Mapping {
  start: number
  end: number
  shared: boolean
  inode: number
  name: string
}

/** Consecutive pages at an address. */
export interface PageRun {
  address: number
  pages: number
}

const pageBytes = 4096
const present = 1n << 63n
const fileOrShared = 1n << 61n

export function parseMaps(text: string): Mapping[] {
  return [...text.matchAll(/^([0-9a-f]+)-([0-9a-f]+) (....) ([0-9a-f]+) \S+ (\d+) *(.*)$/gm)].map(
    ([, start = '', end = '', flags = '', , inode = '', name = '']) => ({
      start: Number.parseInt(start, 16),
      end: Number.parseInt(end, 16),
      shared: flags[3] === 's',
      inode: Number(inode),
      name,
    }),
  )
}

/** Shared memory without a file that travels: criu writes its contents into the images. */
export function isSharedMemory({ shared, name }: Mapping): boolean {
  return shared && /^(\/dev\/zero|\/memfd:.*|\/SYSV[0-9a-f]{8}|) \(deleted\)$|^\/memfd:|^\/dev\/zero/.test(name)
}

export function isPrivateMemory({ shared, name }: Mapping): boolean {
  return !shared && !name.startsWith('[v')
}

/** Runs of pages from the entries of /proc/<pid>/pagemap for a private mapping that begins at `address`. */
export function dumpedRuns(entries: Buffer, address: number): PageRun[] {
  const runs: PageRun[] = []
  for (let index = 0; index * 8 < entries.length; index++) {
    const entry = entries.readBigUInt64LE(index * 8)
    // A page that is still the file's is not dumped: the file has it.
    if ((entry & present) === 0n || (entry & fileOrShared) !== 0n) continue
    const at = address + index * pageBytes
    const last = runs.at(-1)
    if (last && last.address + last.pages * pageBytes === at) last.pages += 1
    else runs.push({ address: at, pages: 1 })
  }
  return runs
}
