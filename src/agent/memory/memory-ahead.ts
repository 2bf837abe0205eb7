// Memory of all containers of a pod, copied to the destination's stores while the pod runs; the dump then leaves it out.
import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Duplex } from 'node:stream'
import type { PreCopyRound } from '../../api/pod-migration.ts'
import type { AgentConfig } from '../config.ts'
import type { Moves } from '../moves.ts'
import { copyAhead } from '../priority.ts'
import type { RunningContainer } from '../runc/state.ts'
import { FileTransport } from '../transfer/file-transport.ts'
import type { RateLimit } from '../transfer/rate-limit.ts'
import { isShort } from './convergence.ts'
import type { PreCopy } from './pre-copy.ts'
import { type FinalBytes, type FinalCopy, Tracker, type TrackerRound } from './tracker.ts'

const megabyte = 2 ** 20
/** A look that takes longer is not over before somebody comes again: readiness probes are seconds apart. */
const longestDoubtMs = 1000

export interface AheadWays {
  moves: Moves
  config: AgentConfig
  uid: string
  containers: readonly RunningContainer[]
  /** A container's folder for what its dump may leave out. */
  skipFolder: (container: string) => string
  /** A stream to the store of that container on the destination. */
  open: (container: string) => Promise<Duplex>
  limit: RateLimit
  /** The stores take contents packed. */
  packed: boolean
  /** And ask for what stayed here. */
  later: boolean
}

export class MemoryAhead implements PreCopy {
  readonly #moves: Moves
  readonly #trackers: Tracker[] = []
  readonly #transports: FileTransport[] = []
  readonly #skipFolder: AheadWays['skipFolder']
  readonly rounds: PreCopyRound[] = []
  readonly lazy = true
  readonly broken = undefined
  readonly cannotStay: string | undefined
  #lastBeganMs = 0
  #bytes = 0
  #lookMs = 0

  private constructor({ moves, skipFolder, later }: AheadWays) {
    this.#moves = moves
    this.#skipFolder = skipFolder
    this.cannotStay = later ? undefined : 'the destination does not ask for pages that stayed at the source'
  }

  /** That went to the stores, as they went. */
  get bytes(): number {
    return this.#bytes
  }

  async isInDoubt(): Promise<boolean> {
    if (this.#lookMs > longestDoubtMs) return false
    return (await Promise.all(this.#trackers.map((tracker) => tracker.came()))).some(Boolean)
  }

  /** Everything once. What fails here leaves the pod as it was: it is then dumped whole. */
  static async start(ways: AheadWays): Promise<MemoryAhead> {
    const { config, uid, containers, skipFolder, open, limit, packed } = ways
    const ahead = new MemoryAhead(ways)
    try {
      for (const { name, freezer } of containers) {
        const skip = skipFolder(name)
        await rm(skip, { recursive: true, force: true })
        await mkdir(path.dirname(skip), { recursive: true, mode: 0o700 })
        const socket = path.join(config.runDir, 'transport', `${uid}.${name}.pages`)
        const transport = await FileTransport.listen(socket, () => open(name), limit)
        ahead.#transports.push(transport)
        const program = path.join(config.optDir, 'bin', 'podmotion-pages')
        ahead.#trackers.push(new Tracker({ program, freezer: freezer.folder, stream: transport.socketPath, skip, packed }))
      }
      await ahead.round()
      return ahead
    } catch (error) {
      ahead.close()
      throw error
    }
  }

  dumpOptions(container: string): { skip: string } {
    return { skip: this.#skipFolder(container) }
  }

  /** The pod is frozen and stays so. `later`: what is not at the destination stays here, to be asked for. */
  final(later: boolean): FinalCopy {
    const finals = this.#trackers.map((tracker) => tracker.final(later))
    const complete = Promise.all(finals.map((final) => final.complete)).then((copies) => {
      const sum = (of: keyof FinalBytes): number => copies.reduce((all, copy) => all + copy[of], 0)
      this.#bytes += sum('sent')
      return { bytes: sum('bytes'), sent: sum('sent'), left: sum('left') }
    })
    complete.catch(() => undefined)
    return { listed: Promise.all(finals.map((final) => final.listed)).then(() => undefined), complete }
  }

  close(): void {
    for (const tracker of this.#trackers) tracker.close()
    for (const transport of this.#transports) transport.close()
  }

  async round(): Promise<void> {
    this.rounds.push(await this.#look())
  }

  async lookAgain(): Promise<void> {
    const [more, last] = [await this.#look(), this.rounds.pop()]
    this.rounds.push(last === undefined ? more : withMore(last, more))
  }

  /** Containers side by side: they share what they dirty, time. */
  async #look(): Promise<PreCopyRound> {
    const startedMs = performance.now()
    const copy = (): Promise<TrackerRound[]> => Promise.all(this.#trackers.map((tracker) => tracker.round()))
    const answers = await (isShort(this.rounds) ? copy() : copyAhead(this.#moves, copy))
    const round = toRound(this.rounds.length + 1, answers, performance.now() - startedMs, startedMs - this.#lastBeganMs)
    this.#lastBeganMs = startedMs
    for (const { sent } of answers) this.#bytes += sent
    this.#lookMs = round.durationMs
    return round
  }
}

/** Pure. `sinceMs`: since the round before began, in which all was written that this one found. */
export function toRound(
  number: number,
  answers: readonly Pick<TrackerRound, 'pages' | 'bytes' | 'sent'>[],
  durationMs: number,
  sinceMs: number,
): PreCopyRound {
  const copiedMB = answers.reduce((sum, { bytes }) => sum + bytes, 0) / megabyte
  const sentMB = answers.reduce((sum, { sent }) => sum + sent, 0) / megabyte
  const pages = answers.reduce((sum, answer) => sum + answer.pages, 0)
  const rate = number === 1 || sinceMs <= 0 ? 0 : (copiedMB / sinceMs) * 1000
  return {
    round: number,
    pages,
    copiedMB: rounded(copiedMB),
    sentMB: rounded(sentMB),
    dirtyRateMBps: rounded(rate),
    durationMs: Math.round(durationMs),
  }
}

/** Pure. */
export function withMore(round: PreCopyRound, more: PreCopyRound): PreCopyRound {
  return {
    ...round,
    pages: round.pages + more.pages,
    copiedMB: rounded(round.copiedMB + more.copiedMB),
    sentMB: rounded((round.sentMB ?? 0) + (more.sentMB ?? 0)),
    durationMs: round.durationMs + more.durationMs,
  }
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}
