// Copies a running pod's memory ahead of its freeze. Nothing is believed of it later: each page is compared with what criu dumps.
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { messageOf } from '../../runtime/errors.ts'
import { log } from '../../runtime/log.ts'
import { dumpedRuns, isPrivateMemory, isSharedMemory, type Mapping, type PageRun, parseMaps } from './mappings.ts'
import { pageBytes, type PagePool } from './page-pool.ts'

/** Entries of pagemap read at a time. */
const windowPages = 1 << 16

/** Where a stretch of pool pages was read from, to look at it again. */
export interface Copied {
  pid: number
  address: number
  page: number
  pages: number
}

export interface PoolSink {
  /** Appended to the destination's pool. */
  append(bytes: Buffer): Promise<void>
  /** Put over a page of it. */
  patch(page: number, bytes: Buffer): Promise<void>
}

/** All pages that criu will dump, each once; processes in the order given, then what they share. */
export async function copyMemory(pids: readonly number[], pool: PagePool, sink: PoolSink, signal: AbortSignal): Promise<Copied[]> {
  const copied: Copied[] = []
  const shared = new SharedPages()
  for (const pid of pids) {
    await withProcess(pid, async (memory) => {
      const mappings = parseMaps(readFileSync(`/proc/${pid}/maps`, 'utf8'))
      for (const mapping of mappings) {
        signal.throwIfAborted()
        if (isSharedMemory(mapping)) shared.add(pid, mapping, runsOf(memory.pagemap, mapping))
        else if (isPrivateMemory(mapping))
          for (const run of runsOf(memory.pagemap, mapping)) await copyRun(pid, memory.mem, run, pool, sink, copied)
      }
    })
  }
  for (const { pid, runs } of shared.list()) {
    await withProcess(pid, async ({ mem }) => {
      for (const run of runs) {
        signal.throwIfAborted()
        await copyRun(pid, mem, run, pool, sink, copied)
      }
    })
  }
  return copied
}

/** One more round: what has changed since goes over the wire again. Returns how many pages. */
export async function refreshMemory(copied: readonly Copied[], pool: PagePool, sink: PoolSink, signal: AbortSignal): Promise<number> {
  const scratch = Buffer.allocUnsafeSlow(256 * pageBytes)
  let changed = 0
  for (const { pid, address, page, pages } of copied) {
    signal.throwIfAborted()
    await withProcess(pid, async ({ mem }) => {
      const read = Math.floor(readAt(mem, scratch, 0, pages * pageBytes, address) / pageBytes)
      for (let index = 0; index < read; ) {
        const same = pool.equalRun(page + index, scratch, index * pageBytes, read - index)
        index += same
        if (index >= read) break
        pool.replace(page + index, scratch, index * pageBytes)
        await sink.patch(page + index, pool.bytesOf(page + index, 1))
        changed += 1
        index += 1
      }
    })
  }
  return changed
}

async function copyRun(pid: number, mem: number, run: PageRun, pool: PagePool, sink: PoolSink, copied: Copied[]): Promise<void> {
  let { address, pages } = run
  while (pages > 0 && !pool.full) {
    const page = pool.pages
    const room = pool.room(pages)
    const read = Math.floor(readAt(mem, room.buffer, room.at, room.pages * pageBytes, address) / pageBytes)
    if (read === 0) return
    pool.taken(read)
    copied.push({ pid, address, page, pages: read })
    await sink.append(pool.bytesOf(page, read))
    address += read * pageBytes
    pages -= read
  }
}

/** Shared memory by its object: read once, by whoever has the page in its tables. */
class SharedPages {
  readonly #objects = new Map<string, Map<number, { pid: number; address: number }>>()

  add(pid: number, { name, inode, offset, start }: Mapping, runs: readonly PageRun[]): void {
    const key = `${inode} ${name}`
    const pages = this.#objects.get(key) ?? new Map<number, { pid: number; address: number }>()
    this.#objects.set(key, pages)
    for (const run of runs) {
      for (let index = 0; index < run.pages; index++) {
        const address = run.address + index * pageBytes
        if (!pages.has(address - start + offset)) pages.set(address - start + offset, { pid, address })
      }
    }
  }

  /** In the order of the object, as criu writes it. */
  list(): { pid: number; runs: PageRun[] }[] {
    const result: { pid: number; runs: PageRun[] }[] = []
    for (const pages of this.#objects.values()) {
      const sorted = [...pages].sort(([a], [b]) => a - b)
      for (const [, { pid, address }] of sorted) {
        const last = result.at(-1)
        const run = last?.runs.at(-1)
        if (last?.pid === pid && run && run.address + run.pages * pageBytes === address) run.pages += 1
        else if (last?.pid === pid) last.runs.push({ address, pages: 1 })
        else result.push({ pid, runs: [{ address, pages: 1 }] })
      }
    }
    return result
  }
}

function runsOf(pagemap: number, mapping: Mapping): PageRun[] {
  const runs: PageRun[] = []
  const entries = Buffer.allocUnsafe(windowPages * 8)
  for (let address = mapping.start; address < mapping.end; address += windowPages * pageBytes) {
    const wished = Math.min(windowPages, (mapping.end - address) / pageBytes) * 8
    const read = readAt(pagemap, entries, 0, wished, (address / pageBytes) * 8)
    runs.push(...dumpedRuns(entries.subarray(0, read), address, mapping.shared))
  }
  return runs
}

/** A process that ends meanwhile, or memory that goes, is only less to copy. */
async function withProcess(pid: number, work: (memory: { mem: number; pagemap: number }) => Promise<void>): Promise<void> {
  const opened: number[] = []
  try {
    const [mem, pagemap] = ['mem', 'pagemap'].map((name) => {
      const fd = openSync(`/proc/${pid}/${name}`, 'r')
      opened.push(fd)
      return fd
    }) as [number, number]
    await work({ mem, pagemap })
  } catch (error) {
    if (!isGone(error)) throw error
    log.debug({ pid, reason: messageOf(error) }, 'a process ended while its memory was copied')
  } finally {
    for (const fd of opened) closeSync(fd)
  }
}

function isGone(error: unknown): boolean {
  return ['ENOENT', 'ESRCH', 'EIO', 'EFAULT'].includes((error as NodeJS.ErrnoException).code ?? '')
}

function readAt(fd: number, buffer: Buffer, at: number, length: number, position: number): number {
  try {
    return readSync(fd, buffer, at, length, position)
  } catch (error) {
    if (isGone(error)) return 0
    throw error
  }
}
