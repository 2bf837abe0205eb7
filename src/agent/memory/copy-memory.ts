// Copies a running pod's memory ahead of its freeze. Nothing is believed of it later: each page is compared with what criu dumps.
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { messageOf } from '../../runtime/errors.ts'
import { log } from '../../runtime/log.ts'
import { dumpedRuns, isPrivateMemory, isSharedMemory, type Mapping, type PageRun, parseMaps } from './mappings.ts'
import { type PagePool, pageBytes } from './page-pool.ts'

/** Entries of pagemap read at a time. */
const windowPages = 1 << 16
const scratchPages = 256

/** Where a stretch of pool pages was read from, to look at it again. */
interface Copied {
  file: string
  position: number
  page: number
  pages: number
}

export interface PoolSink {
  /** Appended to a segment of the destination's pool. */
  append(segment: number, bytes: Buffer): Promise<void>
  /** Put over a page of it. */
  patch(segment: number, page: number, bytes: Buffer): Promise<void>
}

/** For each file, the runs of pages that it has. */
export type ObjectPages = (files: readonly string[]) => Promise<PageRun[][]>

export class MemoryCopy {
  readonly #pool: PagePool
  readonly #sink: PoolSink
  readonly #signal: AbortSignal
  readonly #copied: Copied[] = []
  readonly #scratch = Buffer.allocUnsafeSlow(scratchPages * pageBytes)

  constructor(pool: PagePool, sink: PoolSink, signal: AbortSignal) {
    this.#pool = pool
    this.#sink = sink
    this.#signal = signal
  }

  /** All pages that criu will dump, each once: of each process, then of what they share. */
  async copyAll(pids: readonly number[], pagesOf: ObjectPages): Promise<void> {
    const shared = new Map<string, string>()
    for (const pid of pids) await withFile(`/proc/${pid}/pagemap`, async (pagemap) => await this.#copyProcess(pid, pagemap, shared))
    const files = [...shared.values()]
    for (const [index, runs] of (await pagesOf(files)).entries()) await this.#copyRuns(files[index] as string, runs)
  }

  /** What has changed since goes over again. Returns how many pages. */
  async refresh(): Promise<number> {
    let changed = 0
    for (const [file, stretches] of groupByFile(this.#copied)) {
      await withFile(file, async (fd) => {
        for (const stretch of stretches) changed += await this.#refreshStretch(fd, stretch)
      })
    }
    return changed
  }

  async #copyProcess(pid: number, pagemap: number, shared: Map<string, string>): Promise<void> {
    const runs: PageRun[] = []
    for (const mapping of parseMaps(readFileSync(`/proc/${pid}/maps`, 'utf8'))) {
      if (isSharedMemory(mapping)) noteShared(shared, pid, mapping)
      else if (isPrivateMemory(mapping)) runs.push(...runsOf(pagemap, mapping))
    }
    await this.#copyRuns(`/proc/${pid}/mem`, runs)
  }

  async #copyRuns(file: string, runs: readonly PageRun[]): Promise<void> {
    if (runs.length === 0) return
    this.#pool.beginSegment()
    await withFile(file, async (fd) => {
      for (const run of runs) {
        this.#signal.throwIfAborted()
        await this.#copyRun(file, fd, run)
      }
    })
  }

  async #copyRun(file: string, fd: number, run: PageRun): Promise<void> {
    let { address, pages } = run
    while (pages > 0 && !this.#pool.full) {
      const page = this.#pool.pages
      const room = this.#pool.room(pages)
      const read = Math.floor(readAt(fd, room.buffer, room.at, room.pages * pageBytes, address) / pageBytes)
      if (read === 0) return
      this.#pool.taken(read)
      this.#copied.push({ file, position: address, page, pages: read })
      await this.#sink.append(this.#pool.segmentOf(page).id, this.#pool.bytesOf(page, read))
      address += read * pageBytes
      pages -= read
    }
  }

  async #refreshStretch(fd: number, { position, page, pages }: Copied): Promise<number> {
    this.#signal.throwIfAborted()
    const scratch = this.#scratch
    const read = Math.floor(readAt(fd, scratch, 0, pages * pageBytes, position) / pageBytes)
    let changed = 0
    for (let index = 0; index < read; index++) {
      index += this.#pool.equalRun(page + index, scratch, index * pageBytes, read - index)
      if (index >= read) break
      this.#pool.replace(page + index, scratch, index * pageBytes)
      const { id, first } = this.#pool.segmentOf(page + index)
      await this.#sink.patch(id, page + index - first, this.#pool.bytesOf(page + index, 1))
      changed += 1
    }
    return changed
  }
}

/** By the object behind the mapping: many processes map the same one, and any mapping leads to all of it. */
function noteShared(shared: Map<string, string>, pid: number, { name, inode, start, end }: Mapping): void {
  const key = `${inode} ${name}`
  if (!shared.has(key)) shared.set(key, `/proc/${pid}/map_files/${start.toString(16)}-${end.toString(16)}`)
}

function groupByFile(copied: readonly Copied[]): Map<string, Copied[]> {
  const groups = new Map<string, Copied[]>()
  for (const one of copied) {
    const group = groups.get(one.file)
    if (group) group.push(one)
    else groups.set(one.file, [one])
  }
  return groups
}

function runsOf(pagemap: number, mapping: Mapping): PageRun[] {
  const runs: PageRun[] = []
  const entries = Buffer.allocUnsafe(windowPages * 8)
  for (let address = mapping.start; address < mapping.end; address += windowPages * pageBytes) {
    const wished = Math.min(windowPages, (mapping.end - address) / pageBytes) * 8
    const read = readAt(pagemap, entries, 0, wished, (address / pageBytes) * 8)
    runs.push(...dumpedRuns(entries.subarray(0, read), address))
  }
  return runs
}

async function withFile(file: string, work: (fd: number) => Promise<void>): Promise<void> {
  await forgivingly(file, async () => {
    const fd = openSync(file, 'r')
    try {
      await work(fd)
    } finally {
      closeSync(fd)
    }
  })
}

/** A process that ends meanwhile, or memory that goes, is only less to copy. */
async function forgivingly(file: string, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!isGone(error)) throw error
    log.debug({ file, reason: messageOf(error) }, 'memory went away while it was copied')
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
