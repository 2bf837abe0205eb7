// Files of a pod that change all the time, and how much of them a freeze would have to read: for a moment the kernel tells where they are written.
// The pod runs on meanwhile, and what is made in the kernel for it goes with the helper.
import { randomBytes } from 'node:crypto'
import { closeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from '../../runtime/errors.ts'
import { log } from '../../runtime/log.ts'
import type { RestlessFiles } from '../rooms.ts'
import { run } from '../run.ts'
import { openOwn, openQuietly } from './beneath.ts'
import { BlockHelper, keyBytes } from './block-helper.ts'
import { type Listing, listingFormat, parseListing } from './folder-listing.ts'
import { hottest } from './hot-choice.ts'
import type { SyncedRoot } from './synced-roots.ts'

/** As long as memory is looked at (touched.ts). */
const momentMs = 250
/** An estimate is not worth a longer wait. */
const patienceMs = 3000
const notWatched = 'which parts of hot files are written cannot be known; the estimate takes them whole'

export const noneRestless: RestlessFiles = { restlessBytes: 0, watchedBytes: 0, rewrittenBytes: 0, rewrittenInMs: momentMs }

interface Restless {
  root: SyncedRoot
  listing: Listing
}

export async function measureRestless(roots: readonly SyncedRoot[], helper: string): Promise<RestlessFiles> {
  const restless = await Promise.all(roots.map(async (root) => ({ root, listing: await listRestless(root) })))
  const restlessBytes = sum(restless.flatMap(({ listing }) => [...listing.values()].map(({ bytes }) => bytes)))
  const watches = restless.filter(({ listing }) => hottest(listing, listing.keys()).length > 0).map((one) => new Watch(one, helper))
  const impatience = setTimeout(() => closeAll(watches), patienceMs)
  try {
    return { restlessBytes, ...(await rewritten(watches)) }
  } catch (error) {
    log.info({ reason: messageOf(error) }, notWatched)
    return { ...noneRestless, restlessBytes }
  } finally {
    clearTimeout(impatience)
    closeAll(watches)
  }
}

async function rewritten(watches: readonly Watch[]): Promise<Omit<RestlessFiles, 'restlessBytes'>> {
  await Promise.all(watches.map((watch) => watch.start()))
  // The first look is at everything.
  await Promise.all(watches.map((watch) => watch.look()))
  const startedMs = performance.now()
  if (watches.some(({ hasFiles }) => hasFiles)) await sleep(momentMs)
  const looks = (await Promise.all(watches.map((watch) => watch.look()))).flat()
  return {
    watchedBytes: sum(looks.map(({ bytes }) => bytes)),
    rewrittenBytes: sum(looks.map(({ writtenBytes }) => writtenBytes)),
    rewrittenInMs: Math.max(1, Math.round(performance.now() - startedMs)),
  }
}

/** Of one folder. */
class Watch {
  readonly #restless: Restless
  readonly #helper: BlockHelper
  readonly #files: { file: number; fd: number; bytes: number }[] = []

  constructor(restless: Restless, helper: string) {
    this.#restless = restless
    this.#helper = new BlockHelper(helper, randomBytes(keyBytes), { waitedFor: false })
  }

  async start(): Promise<void> {
    const { root, listing } = this.#restless
    const reason = await this.#helper.watchIn(ownFolder(root))
    if (reason !== '') return log.info({ root: root.label, reason }, notWatched)
    for (const name of hottest(listing, listing.keys())) await this.#watch(name, listing.get(name)?.bytes ?? 0)
  }

  get hasFiles(): boolean {
    return this.#files.length > 0
  }

  /** Of each that a freeze would not have to look at as a whole, now. */
  async look(): Promise<{ bytes: number; writtenBytes: number }[]> {
    const written = await this.#helper.written(this.#files)
    return this.#files.flatMap(({ bytes }, at) => {
      const writtenBytes = written[at]
      return writtenBytes === undefined ? [] : [{ bytes, writtenBytes }]
    })
  }

  close(): void {
    this.#helper.close()
    for (const { fd } of this.#files.splice(0)) closeSync(fd)
  }

  async #watch(name: string, bytes: number): Promise<void> {
    const fd = openWatchable(this.#restless.root, name)
    if (fd === undefined) return
    const file = this.#files.length
    if ((await this.#helper.watch(file, fd)) === '') this.#files.push({ file, fd, bytes })
    else closeSync(fd)
  }
}

function openWatchable(root: SyncedRoot, name: string): number | undefined {
  const shown = openQuietly(root.folder, name)
  if (!shown) return undefined
  closeSync(shown.fd)
  return openOwn(ownFolder(root), name, shown.inode)
}

async function listRestless(root: SyncedRoot): Promise<Listing> {
  const args = [ownFolder(root), '-xdev', '-type', 'f', '-mmin', '-1', '-printf', listingFormat]
  return parseListing((await run('find', args, { reject: false, encoding: 'latin1' })).stdout)
}

function ownFolder(root: SyncedRoot): string {
  return root.layers?.upper ?? root.folder
}

function closeAll(watches: readonly Watch[]): void {
  for (const watch of watches) watch.close()
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
