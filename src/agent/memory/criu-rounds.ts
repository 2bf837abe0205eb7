// Memory copied ahead by criu's own pre-dumps, on kernels with soft-dirty bits: each round is a folder of images that leans on the one before.
import { mkdir, readdir, rename, rm, stat, symlink, truncate } from 'node:fs/promises'
import path from 'node:path'
import type { PreCopyRound } from '../../api/pod-migration.ts'
import { messageOf } from '../../runtime/errors.ts'
import { log } from '../../runtime/log.ts'
import type { AgentConfig } from '../config.ts'
import type { MoveFolders } from '../context.ts'
import type { Moves } from '../moves.ts'
import { copyAhead } from '../priority.ts'
import type { DumpFolders } from '../runc/checkpoint.ts'
import { untilNoDumper } from '../runc/dumpers.ts'
import { thaw } from '../runc/freezer.ts'
import { preDump } from '../runc/pre-dump.ts'
import type { RunningContainer } from '../runc/state.ts'
import type { ImageSender } from '../transfer/image-sender.ts'
import type { RateLimit } from '../transfer/rate-limit.ts'
import { lastRound, noRound, parentOf, roundFolder } from '../transfer/rounds.ts'
import { isShort } from './convergence.ts'
import { toRound } from './memory-ahead.ts'
import type { PreCopy } from './pre-copy.ts'

export interface RoundWays {
  moves: Moves
  config: AgentConfig
  containers: readonly RunningContainer[]
  /** Of a container's last dump; the rounds lie below its images and its work. */
  folders: (container: string) => MoveFolders
  images: Pick<ImageSender, 'sendRound' | 'withdrawRounds'>
  limit: RateLimit
  /** criu's part of a round, in place of the real one. */
  dump?: typeof preDump
}

export class CriuRounds implements PreCopy {
  readonly #ways: RoundWays
  readonly rounds: PreCopyRound[] = []
  readonly lazy = false
  readonly cannotStay = "the source's memory is copied ahead by criu's pre-dumps"
  #lastBeganMs = 0
  /** All of it goes by the stream of images. */
  readonly bytes = 0
  #broken: string | undefined

  private constructor(ways: RoundWays) {
    this.#ways = ways
  }

  get broken(): string | undefined {
    return this.#broken
  }

  /** Everything once. What fails here leaves the pod as it was: it is then dumped whole. */
  static async start(ways: RoundWays): Promise<CriuRounds> {
    const rounds = new CriuRounds(ways)
    await rounds.#copy()
    return rounds
  }

  dumpOptions(): { parent: string } {
    return { parent: lastRound }
  }

  /** A round that fails may have marked pages as seen that are in no image: none of what was copied counts any more. */
  async round(): Promise<void> {
    try {
      await this.#copy()
    } catch (error) {
      this.#broken = `round ${this.rounds.length + 1} failed, so everything is dumped in the freeze: ${messageOf(error)}`
      log.warn({ err: error }, 'copying memory ahead was given up')
      this.#ways.images.withdrawRounds()
      await Promise.all(this.#ways.containers.map(({ name }) => this.#pointTo(name, noRound)))
    }
  }

  /** Shared memory is left to the freeze. */
  async isInDoubt(): Promise<boolean> {
    return false
  }

  async lookAgain(): Promise<void> {
    // There is no doubt.
  }

  final(): undefined {
    return undefined
  }

  close(): void {
    // A round that is still at work ends by itself.
  }

  async #copy(): Promise<void> {
    const { moves, images, limit, containers } = this.#ways
    const startedMs = performance.now()
    const number = this.rounds.length + 1
    const dumped = await this.#dumpAll(number)
    const folders = containers.map(({ name }) => ({ container: name, folder: this.#ways.folders(name).images }))
    const send = (): Promise<void> => images.sendRound(number, folders, limit)
    await (isShort(this.rounds) ? send() : copyAhead(moves, send))
    await Promise.all(containers.map(({ name }) => this.#settle(name, number)))
    const copied = dumped.map(({ pages, bytes }) => ({ pages, bytes, sent: bytes }))
    const sinceMs = startedMs - this.#lastBeganMs
    this.#lastBeganMs = startedMs
    this.rounds.push(toRound(number, copied, performance.now() - startedMs, sinceMs))
    log.info({ round: number, pauseMs: Math.max(...dumped.map(({ pauseMs }) => pauseMs)) }, 'criu copied memory ahead')
  }

  /** Side by side. Whatever one of them does, none works any more when this returns, and all containers run. */
  async #dumpAll(number: number): Promise<Awaited<ReturnType<typeof preDump>>[]> {
    const { config, containers, dump = preDump } = this.#ways
    const ended = await Promise.allSettled(
      containers.map((container) => dump(config, container, this.#roundFolders(container.name, number))),
    )
    const failed = ended.find((one) => one.status === 'rejected')
    if (!failed) return ended.map((one) => (one as PromiseFulfilledResult<Awaited<ReturnType<typeof preDump>>>).value)
    // Those of this round: the dump's own criu has been started as well, and waits.
    await Promise.all(containers.map(({ name }) => untilNoDumper(this.#roundFolders(name, number).images)))
    await thaw(containers.map(({ freezer }) => freezer))
    throw failed.reason
  }

  #roundFolders(container: string, number: number): DumpFolders {
    const { images, work } = this.#ways.folders(container)
    const folder = roundFolder(number)
    const parent = parentOf(number)
    return { images: path.join(images, folder), work: path.join(work, folder), ...(parent === undefined ? {} : { parent }) }
  }

  /** The destination has it: criu asks the images of earlier rounds only which pages they hold, so the pages' memory can go. */
  async #settle(container: string, number: number): Promise<void> {
    const folder = path.join(this.#ways.folders(container).images, roundFolder(number))
    for (const name of await readdir(folder)) {
      if (!/^pages-\d+\.img$/.test(name)) continue
      const { size } = await stat(path.join(folder, name))
      await truncate(path.join(folder, name), 0)
      await truncate(path.join(folder, name), size)
    }
    await this.#pointTo(container, roundFolder(number))
  }

  /** The dump is told of its parent when it starts, which is before the last round: it is told the name of a link. */
  async #pointTo(container: string, folder: string): Promise<void> {
    const { images } = this.#ways.folders(container)
    await mkdir(path.join(images, folder), { recursive: true, mode: 0o700 })
    const link = path.join(images, lastRound)
    await rm(`${link}.new`, { force: true })
    await symlink(folder, `${link}.new`)
    await rename(`${link}.new`, link)
  }
}
