// Copies one folder of a pod pass by pass: earlier passes compare everything, the last one sends what changed since, listed beforehand.
import { messageOf } from '../../runtime/errors.ts'
import { log } from '../../runtime/log.ts'
import type { StoragePod } from '../rooms.ts'
import { run } from '../run.ts'
import { type WaitingResult, WaitingRun } from '../waiting-run.ts'
import { Deletions } from './deletions.ts'
import { changedSince, type Listed, type Listing, listingFormat, parseListing, sizesOf, without } from './folder-listing.ts'
import { hottest, isHot, longestHotName, maximumHotFiles, smallestHotBytes } from './hot-choice.ts'
import { HotFiles } from './hot-files.ts'
import { type Mapped, mappedBy, mappedIn } from './mapped-file-finder.ts'
import { doubtOf, type Pass } from './pass.ts'
import { PatchStream } from './patch-stream.ts'
import { type Copy, copyArguments, wholeFileLimitBytes } from './rsync-arguments.ts'
import { sentBytes, sentNames, unseenNames, vanishedExitCode } from './rsync-output.ts'
import type { SyncedRoot } from './synced-roots.ts'
import { listChanges } from './upper-tree.ts'

/** A pass of many GB over a slow link is not a hang; the migration's own timeout ends it. */
const passTimeoutMs = 3_600_000
/** Coarsest kernel tick in use (100 Hz), doubled: change times are no finer than that before Linux 6.13. */
const tickMs = 20
/** About 100 bytes a file. A listing that was cut would be no listing. */
const listingLimitBytes = 1 << 30

/** How the destination's folder is reached. */
export interface Way {
  /** `--rsh` of rsync. */
  remoteShell: string
  patches: () => PatchStream
  /** podmotion-helper. */
  helper: string
}

interface Part {
  /** Bytes. */
  sent: number
  tookMs: number
}

export class RootCopy {
  readonly #root: SyncedRoot
  readonly #way: Way
  /** The last pass after which the destination had all that the folder had. */
  #complete: Pass | undefined
  /** Every path that the destination may have from an earlier pass. */
  readonly #known = new Set<string>()
  /** Files that the last pass sends whatever their times say: mapped while a pass read them, left by a pass, or written there by ourselves. */
  readonly #doubtful = new Set<string>()
  /** Through its handshake already. Without a last pass the peer's rsync gives up after its I/O timeout, and this one with it. */
  #prepared: WaitingRun | undefined
  /** The same for files above the limit, which go another way. Only where there are any. */
  #preparedBig: WaitingRun | undefined
  #preparedList: WaitingRun | undefined
  /** Sets times and owners of files that have their contents by other ways. */
  #preparedAttributes: WaitingRun | undefined
  /** What changed between the last two passes, the latest first: it will have changed again. */
  #restless: string[] = []
  #hot: HotFiles | undefined
  readonly #deletions: Deletions

  constructor(root: SyncedRoot, way: Way) {
    this.#root = root
    this.#way = way
    this.#deletions = new Deletions(root.folder)
  }

  /** While the pod runs. */
  async passAhead(pod: StoragePod, bandwidthLimitMbps: number): Promise<number> {
    await this.#noteMapped(mappedBy(pod))
    const pass = await this.#look(false)
    const listed = await this.#layerPaths()
    const leavesHot = this.#canLeaveHot(pass.listing)
    const result = await this.#run({ bandwidthLimitMbps, ...(leavesHot ? { leaveFromBytes: smallestHotBytes } : {}) }, listed)
    for (const name of [...pass.listing.keys(), ...sentNames(result.stdout)]) this.#known.add(name)
    const unseen = unseenNames(result, this.#root.folder)
    // A name that was away for a moment only is new to the last pass.
    if (unseen) this.#note({ ...pass, listing: without(pass.listing, unseen) }, leavesHot)
    else log.info({ root: this.#root.label, said: result.stderr.slice(-1000) }, 'a file pass ahead of the freeze did not see all files')
    await this.#noteMapped(mappedBy(pod))
    this.#prepare()
    return this.#check(result, [0, vanishedExitCode])
  }

  /** While the pod runs, after all passes, as often as it helps: what is kept must not be written by another one. */
  async keepHot(take: (bytes: number) => Promise<void>): Promise<void> {
    if (!this.#complete) return
    const { listing } = await this.#look(false)
    await this.#deleteAhead(listing, this.#complete)
    const candidates = this.#hotCandidates(listing, this.#complete)
    if (candidates.length === 0) return
    this.#hot ??= new HotFiles(this.#root, this.#way.patches(), this.#way.helper)
    const hot = this.#hot
    try {
      await hot.keep(candidates, take)
      if (!this.#preparedAttributes?.waits) this.#preparedAttributes = this.#waiting('trusted')
      this.#prepare()
    } catch (error) {
      this.#hot = undefined
      hot.close()
      throw error
    } finally {
      for (const name of hot.touched) this.#doubtful.add(name)
      for (const name of hot.touched) this.#known.add(name)
    }
  }

  /** What has changed since the destination had it, or did between two passes, or is mapped: the latest first. */
  #hotCandidates(listing: Listing, complete: Pass): string[] {
    const changed = changedSince(listing, complete.listing, complete.sinceMs)
    const restless = [...this.#doubtful, ...this.#restless, ...changed].filter((name) => !this.#deletions.has(name))
    return hottest(listing, new Set(restless))
  }

  /** If it cannot, the last pass does it. What is there again by then is new to it. */
  async #deleteAhead(listing: Listing, complete: Pass): Promise<void> {
    const gone = await this.#deletions.begin(this.#known, listing)
    if (gone.length === 0) return
    this.#complete = { ...complete, listing: without(complete.listing, gone) }
    this.#hot?.forget(gone)
    await this.#run({ contents: 'whole' }, gone)
  }

  /** Inside the freeze; who maps what is looked up once for all folders. */
  async lastPass(mapped: Promise<Mapped[]>): Promise<number> {
    const [now] = await Promise.all([this.#look(true), this.#noteMapped(mapped)])
    const before = this.#complete
    const doubt = doubtOf(before, now)
    if (!before || doubt) {
      log.warn({ root: this.#root.label, reason: doubt }, 'everything in a folder is compared in the freeze')
      this.cancel()
      return await this.#everything()
    }
    const changed = new Set([...(await this.#changed(now.listing, before)), ...this.#doubtful])
    const gone = await this.#deletions.of(this.#known, now.listing)
    const hot = this.#hot?.stillThere() ?? []
    for (const name of hot) changed.delete(name)
    const startedMs = performance.now()
    const done = async (sending: Promise<number>): Promise<Part> => ({
      sent: await sending,
      tookMs: Math.round(performance.now() - startedMs),
    })
    const [rest, patched] = await Promise.all([done(this.#sendRest([...changed], gone, now.listing)), done(this.#patch(hot, now.listing))])
    // Why a freeze took longer than others is asked later, of whoever has the log.
    const parts = { rest: { ...rest, ...sizesOf([...changed], now.listing) }, hot: { ...patched, ...sizesOf(hot, now.listing) } }
    log.info({ root: this.#root.label, ...parts }, 'files were brought up to date in the freeze')
    return rest.sent + patched.sent
  }

  async #sendRest(changed: readonly string[], gone: readonly string[], listing: Listing): Promise<number> {
    const [whole, big] = [this.#prepared, this.#preparedBig]
    this.#prepared = this.#preparedBig = undefined
    const [sent, sentBig] = await Promise.all([
      this.#finish(whole, 'whole', [...changed.filter((name) => !isBigIn(listing, name)), ...gone]),
      this.#finish(
        big,
        'compared',
        changed.filter((name) => isBigIn(listing, name)),
      ),
    ])
    return sent + sentBig
  }

  /** Contents by ourselves, then everything else about these files by rsync. Whatever fails: the same by rsync alone. */
  async #patch(names: readonly string[], listing: Listing): Promise<number> {
    if (names.length === 0) return 0
    try {
      const sent = await (this.#hot as HotFiles).patch(names)
      return sent + (await this.#finish(this.#preparedAttributes, 'trusted', names))
    } catch (error) {
      log.warn({ root: this.#root.label, reason: messageOf(error) }, 'hot files could not be patched; rsync carries them')
    }
    return await this.#sendRest(names, [], listing)
  }

  /**
   * Whether the destination has some version of every file that can be kept hot, and all that changed can be: then they go by their changed
   * blocks, just before the freeze and in it. rsync would read and compare them whole in each pass, on both sides.
   */
  #canLeaveHot(listing: Listing): boolean {
    const before = this.#complete
    if (!before) return false
    const isThere = ([name, { inode, bytes }]: [string, Listed]): boolean => isHot(bytes) && before.listing.get(name)?.inode === inode
    const changed = changedSince(listing, before.listing, before.sinceMs)
    const left = [...new Set([...this.#doubtful, ...changed])].filter((name) => isHot(listing.get(name)?.bytes ?? 0))
    const canBeKept = left.length <= maximumHotFiles && left.every((name) => name.length <= longestHotName)
    return canBeKept && [...listing].every((entry) => entry[1].bytes < smallestHotBytes || isThere(entry))
  }

  #note(pass: Pass, leftHot: boolean): void {
    const before = this.#complete
    this.#restless = before ? changedSince(pass.listing, before.listing, before.sinceMs) : []
    if (leftHot) for (const name of this.#restless) if (isHot(pass.listing.get(name)?.bytes ?? 0)) this.#doubtful.add(name)
    this.#complete = pass
  }

  /** There will be no last pass. */
  cancel(): void {
    this.#prepared?.cancel()
    this.#preparedBig?.cancel()
    this.#preparedList?.cancel()
    this.#preparedAttributes?.cancel()
    this.#hot?.close()
  }

  async #finish(prepared: WaitingRun | undefined, contents: NonNullable<Copy['contents']>, names: readonly string[]): Promise<number> {
    if (names.length === 0) {
      // It ends well with an empty list, and nobody has to wait for that.
      void prepared?.finish(encodeList([]))
      return 0
    }
    const result = prepared?.waits ? await prepared.finish(encodeList(names)) : undefined
    if (result?.exitCode === 0) return sentBytes(result.stdout)
    // It waited too long and its peer gave up, or there was none: the same once more, with all the waiting.
    return this.#check(await this.#run({ contents }, names), [0])
  }

  /** Nothing is known of what the destination has: all contents are compared. */
  async #everything(): Promise<number> {
    return this.#check(await this.#run({ contents: 'compared' }, await this.#layerPaths()), [0])
  }

  /** Of a writable layer, what neither look lists (hidden by an opaque folder, or shown from elsewhere) is always sent. */
  async #changed(now: Listing, before: Pass): Promise<string[]> {
    const changed = changedSince(now, before.listing, before.sinceMs)
    const paths = await this.#layerPaths()
    return paths === undefined ? changed : [...changed, ...paths.filter((name) => !now.has(name))]
  }

  /** While the pod runs, files go away under find's eyes and it says so; when it is frozen, any complaint may hide a change. */
  async #look(strict: boolean): Promise<Pass> {
    const clockOffsetMs = Date.now() - performance.now()
    const sinceMs = Date.now() - tickMs
    return { listing: parseListing(await (strict ? this.#listStrictly() : this.#list(false))), sinceMs, clockOffsetMs }
  }

  async #list(strict: boolean): Promise<string> {
    const [command = '', ...args] = this.#find
    return (await run(command, args, { reject: strict, encoding: 'latin1', timeoutMs: passTimeoutMs })).stdout
  }

  /** By the one that has started before the freeze. */
  async #listStrictly(): Promise<string> {
    const result = await this.#preparedList?.finish('\n')
    this.#preparedList = undefined
    return result?.exitCode === 0 && result.stderr === '' ? result.stdout : await this.#list(true)
  }

  get #find(): string[] {
    return ['find', this.#root.layers?.upper ?? this.#root.folder, '-xdev', '-printf', listingFormat]
  }

  #prepare(): void {
    if (!this.#preparedList?.waits)
      this.#preparedList = new WaitingRun('sh', ['-c', 'read _; exec "$@"', 'sh', ...this.#find], listingLimitBytes)
    if (!this.#prepared?.waits) this.#prepared = this.#waiting('whole')
    const { listing } = this.#complete ?? {}
    const hasBig = listing !== undefined && [...listing.keys()].some((name) => isBigIn(listing, name))
    if (hasBig && !this.#preparedBig?.waits) this.#preparedBig = this.#waiting('compared')
  }

  #waiting(contents: NonNullable<Copy['contents']>): WaitingRun {
    return new WaitingRun('rsync', copyArguments(this.#copy({ listed: true, contents })))
  }

  async #noteMapped(mapped: Promise<Mapped[]>): Promise<void> {
    for (const name of mappedIn(this.#root, await mapped)) this.#doubtful.add(name)
  }

  /** Undefined for an emptyDir: it is compared whole. */
  async #layerPaths(): Promise<string[] | undefined> {
    return this.#root.layers && (await listChanges(this.#root.layers))
  }

  async #run(how: Partial<Copy>, listed?: readonly string[]): Promise<WaitingResult> {
    const args = copyArguments(this.#copy({ ...how, listed: listed !== undefined }))
    const input = listed === undefined ? {} : { input: encodeList(listed) }
    return await run('rsync', args, { copies: true, timeoutMs: passTimeoutMs, reject: false, encoding: 'latin1', ...input })
  }

  #copy(how: Partial<Copy>): Copy {
    return { folder: this.#root.folder, remoteShell: this.#way.remoteShell, bandwidthLimitMbps: 0, ...how }
  }

  #check({ exitCode, stdout, stderr }: WaitingResult, good: readonly number[]): number {
    if (good.includes(exitCode)) return sentBytes(stdout)
    throw new Error(`Copying the ${this.#root.label}: rsync exited ${exitCode} (${stderr.trim().slice(-1000)})`)
  }
}

function isBigIn(listing: Listing, name: string): boolean {
  return (listing.get(name)?.bytes ?? 0) > wholeFileLimitBytes
}

/** Names are bytes, kept one byte a character: not every name is UTF-8. */
function encodeList(names: readonly string[]): Uint8Array {
  return Buffer.from(names.map((name) => `${name}\0`).join(''), 'latin1')
}
