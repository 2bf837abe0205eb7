// The images that Cold moves left on their source: taken over when the move is done, written to disk, and gone when their time is over.
import { mkdir, rename, rm, statfs } from 'node:fs/promises'
import path from 'node:path'
import type { KeptCheckpoint, MoveRequest } from '../../api/agent-wire.ts'
import { realClock } from '../../runtime/clock.ts'
import { CodedError, messageOf } from '../../runtime/errors.ts'
import { log } from '../../runtime/log.ts'
import { checkpointBytes } from '../../runtime/metrics.ts'
import type { AgentConfig } from '../config.ts'
import { writeDurably } from '../journal/durable-file.ts'
import type { Moves } from '../moves.ts'
import { copyAhead, isWaitedFor } from '../priority.ts'
import { type Copied, type CopyPorts, copyImages } from './copy-images.ts'
import { type CheckpointPlace, checkpointsFolder, keepingFolder, readRecord, readRecords, recordFile } from './places.ts'

const pauseMs = 50

export interface CheckpointPorts extends CopyPorts {
  nowMs(): number
  /** Takes of the processor what pods leave. */
  givingWay<T>(work: () => Promise<T>): Promise<T>
}

/** While a pod waits for this agent nothing is copied. */
export function checkpointPorts({ stateDir }: AgentConfig, moves: Moves): CheckpointPorts {
  return {
    nowMs: () => realClock.nowMs(),
    space: async () => {
      const { bavail, blocks, bsize } = await statfs(stateDir)
      return { freeBytes: bavail * bsize, totalBytes: blocks * bsize }
    },
    pause: async (signal) => {
      while (isWaitedFor(moves) && !signal.aborted) await realClock.sleep(pauseMs, signal)
    },
    givingWay: async (work) => await copyAhead(moves, work),
  }
}

interface Copying {
  ending: AbortController
  done: Promise<void>
  isRunning: boolean
}

export class Checkpoints {
  readonly #place: CheckpointPlace
  readonly #ports: CheckpointPorts
  readonly #copying = new Map<string, Copying>()
  /** One after the other: nobody waits for them. */
  #last: Promise<void> = Promise.resolve()

  constructor(place: CheckpointPlace, ports: CheckpointPorts) {
    this.#place = place
    this.#ports = ports
  }

  /** The images of a move that has ended are this one's from here on; copying them goes on beside. Taken again it is the same. */
  async take(uid: string, { migrationName, pod, keepCheckpointSeconds }: MoveRequest, images: string): Promise<void> {
    await mkdir(checkpointsFolder(this.#place), { recursive: true, mode: 0o700 })
    const keptAtMs = this.#ports.nowMs()
    const times = { keptAtMs, expiresAtMs: keptAtMs + keepCheckpointSeconds * 1000 }
    const what = { uid, migrationName, podName: pod.name, podUid: pod.uid, path: `checkpoints/${uid}`, sizeBytes: 0, digest: '' }
    if (!(await readRecord(this.#place, uid))) await this.#write({ ...what, ...times, phase: 'Keeping' })
    await mkdir(keepingFolder(this.#place), { recursive: true, mode: 0o700 })
    await rename(images, this.#staged(uid)).catch(unlessAbsent)
    this.#start(uid)
  }

  async list(): Promise<KeptCheckpoint[]> {
    await this.sweep()
    return await readRecords(this.#place)
  }

  async remove(uid: string): Promise<void> {
    const copying = this.#copying.get(uid)
    copying?.ending.abort()
    // One whose turn has not come finds nothing any more.
    if (copying?.isRunning) await copying.done
    for (const folder of [this.#staged(uid), this.#part(uid), this.#images(uid), recordFile(this.#place, uid)])
      await rm(folder, { recursive: true, force: true })
  }

  /** What has expired goes; what an earlier life was in the middle of goes on. */
  async sweep(): Promise<void> {
    const records = await readRecords(this.#place)
    const expired = records.filter(({ expiresAtMs }) => expiresAtMs <= this.#ports.nowMs())
    for (const { uid } of expired) {
      await this.remove(uid)
      log.info({ uid }, 'a kept checkpoint has expired')
    }
    const left = records.filter((record) => !expired.includes(record))
    for (const { uid, phase } of left) if (phase === 'Keeping') this.#start(uid)
    checkpointBytes.set(left.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0))
  }

  #start(uid: string): void {
    if (this.#copying.has(uid)) return
    const ending = new AbortController()
    const done = this.#last
      .then(() => {
        copying.isRunning = true
        return this.#keep(uid, ending.signal)
      })
      .catch((error: unknown) => log.warn({ uid, err: error }, 'keeping a checkpoint failed; it is tried again'))
      .finally(() => this.#copying.delete(uid))
    const copying: Copying = { ending, done, isRunning: false }
    this.#copying.set(uid, copying)
    this.#last = done
  }

  async #keep(uid: string, signal: AbortSignal): Promise<void> {
    const record = await readRecord(this.#place, uid)
    if (record?.phase !== 'Keeping' || signal.aborted) return
    try {
      const copied = await this.#ports.givingWay(() => this.#copy(uid, signal))
      await this.#write({ ...record, ...copied, phase: 'Ready' })
      log.info({ uid, ...copied }, 'a checkpoint is kept')
    } catch (error) {
      if (signal.aborted) return
      for (const folder of [this.#part(uid), this.#images(uid)]) await rm(folder, { recursive: true, force: true })
      await this.#write({ ...record, phase: 'Failed', message: messageOf(error) })
      log.warn({ uid, reason: messageOf(error) }, 'a checkpoint is not kept')
    }
    await rm(this.#staged(uid), { recursive: true, force: true })
  }

  async #copy(uid: string, signal: AbortSignal): Promise<Copied> {
    for (const folder of [this.#part(uid), this.#images(uid)]) await rm(folder, { recursive: true, force: true })
    try {
      const copied = await copyImages(this.#staged(uid), this.#part(uid), this.#ports, signal)
      await rename(this.#part(uid), this.#images(uid))
      return copied
    } catch (error) {
      throw isAbsent(error) ? new CodedError('ImagesLost', 'Keeping images: the node lost them before they were on its disk') : error
    }
  }

  /** Whole or not at all. */
  async #write(record: KeptCheckpoint): Promise<void> {
    const file = recordFile(this.#place, record.uid)
    await writeDurably(`${file}.new`, `${JSON.stringify(record)}\n`)
    await rename(`${file}.new`, file)
  }

  #staged(uid: string): string {
    return path.join(keepingFolder(this.#place), uid)
  }

  #images(uid: string): string {
    return path.join(checkpointsFolder(this.#place), uid)
  }

  #part(uid: string): string {
    return `${this.#images(uid)}.part`
  }
}

function isAbsent(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'ENOENT'
}

/** Taken already, or the node has booted since. */
function unlessAbsent(error: unknown): void {
  if (!isAbsent(error)) throw error
}
