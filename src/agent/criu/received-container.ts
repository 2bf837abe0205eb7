// One container on the destination: its stand-in that waits, and the gate of its restore.
import { mkdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { CodedError } from '../../runtime/errors.ts'
import { log } from '../../runtime/log.ts'
import type { AgentConfig } from '../config.ts'
import { connectWhenThere, LineClient } from './line-client.ts'
import { criuErrors } from './log-file.ts'
import { isExiting, treeOf } from './process-tree.ts'
import { leaveRepair } from './sockets.ts'

const restoreTimeoutMs = 60_000
/** From the start of criu, ahead of the freeze, to the end of the restore. */
const armedTimeoutMs = 900_000
const answerTimeoutMs = 5000
const quitTimeoutMs = 3000
const askEveryMs = 10

export interface ContainerFolders {
  /** awaited/<ns>_<pod>/<container>: the sockets. */
  meeting: string
  images: string
  work: string
}

export type StandInStatus = 'missing' | 'waiting' | 'restoring' | 'running' | 'failed'

export async function standInStatus(meeting: string): Promise<StandInStatus> {
  try {
    const standIn = await LineClient.connect(path.join(meeting, 'standin.sock'))
    const answer = await standIn.ask('status', answerTimeoutMs).finally(() => standIn.close())
    return (answer.split(' ')[0] ?? 'missing') as StandInStatus
  } catch {
    return 'missing'
  }
}

/** Starts the store that takes the container's memory ahead. false: this node has none. */
export async function startStore({ meeting, images, work }: ContainerFolders): Promise<boolean> {
  await Promise.all([images, work].map((folder) => mkdir(folder, { recursive: true, mode: 0o700 })))
  const standIn = await LineClient.connect(path.join(meeting, 'standin.sock'))
  const answer = await standIn.ask(`pages ${images} ${work}`, answerTimeoutMs).finally(() => standIn.close())
  return answer.startsWith('pages ')
}

/** runc and criu of a restore that have started and wait for the images to be complete: their start is not part of the freeze. */
export class ArmedRestore {
  readonly #name: string
  readonly #folders: ContainerFolders
  readonly #standIn: LineClient
  readonly #gate: LineClient
  readonly #failed: Promise<never>

  private constructor(name: string, folders: ContainerFolders, standIn: LineClient, gate: LineClient, failed: Promise<never>) {
    this.#name = name
    this.#folders = folders
    this.#standIn = standIn
    this.#gate = gate
    this.#failed = failed
  }

  /** `lazy`: most of the memory comes from the container's store, after the restore. The images' descriptors.json has to be there. */
  static async arm(name: string, folders: ContainerFolders, lazy: boolean, signal: AbortSignal): Promise<ArmedRestore> {
    await mkdir(folders.work, { recursive: true, mode: 0o700 })
    const standIn = await LineClient.connect(path.join(folders.meeting, 'standin.sock'))
    standIn.send(`arm ${folders.images} ${folders.work} ${lazy ? 1 : 0}`)
    const failed = standIn.waitFor(isEnd, armedTimeoutMs).then((line) => {
      throw new Error(line)
    })
    failed.catch(() => undefined)
    try {
      const gate = await Promise.race([connectWhenThere(path.join(folders.meeting, 'gate.sock'), restoreTimeoutMs, signal), failed])
      await Promise.race([gate.waitFor((line) => line.startsWith('event held '), restoreTimeoutMs, signal), failed])
      return new ArmedRestore(name, folders, standIn, gate, failed)
    } catch (cause) {
      throw await restoreFailure(name, folders, cause)
    }
  }

  /** The images are complete; resolves when criu waits at the gate: all processes there, none runs. */
  async toGate(signal: AbortSignal): Promise<ReceivedContainer> {
    try {
      this.#gate.send('ready')
      const reached = this.#gate.waitFor((line) => line.startsWith('event post-restore '), restoreTimeoutMs, signal)
      await Promise.race([reached, this.#failed])
      return new ReceivedContainer(this.#name, this.#folders, this.#standIn, this.#gate)
    } catch (cause) {
      throw await restoreFailure(this.#name, this.#folders, cause)
    }
  }

  close(): void {
    this.#gate.close()
    this.#standIn.close()
  }
}

async function restoreFailure(name: string, folders: ContainerFolders, cause: unknown): Promise<CodedError> {
  const reason = (await criuErrors(path.join(folders.work, 'restore.log'))) ?? String(cause)
  return new CodedError('RestoreFailed', `Restoring container ${name}: ${reason}`, { cause })
}

/** After an agent's restart: the same stand-in and gate, wherever they are by now. */
export async function reconnect(name: string, folders: ContainerFolders): Promise<ReceivedContainer> {
  const standIn = await LineClient.connect(path.join(folders.meeting, 'standin.sock'))
  // Only who ordered the restore is told of its end; this connection has to ask.
  const asking = setInterval(() => (standIn.ended ? clearInterval(asking) : standIn.send('status')), askEveryMs)
  const gate = await LineClient.connect(path.join(folders.meeting, 'gate.sock')).catch(() => undefined)
  return new ReceivedContainer(name, folders, standIn, gate)
}

export class ReceivedContainer {
  readonly name: string
  readonly #folders: ContainerFolders
  readonly #standIn: LineClient
  readonly #gate: LineClient | undefined
  #initPid: number | undefined

  constructor(name: string, folders: ContainerFolders, standIn: LineClient, gate: LineClient | undefined) {
    this.name = name
    this.#folders = folders
    this.#standIn = standIn
    this.#gate = gate
  }

  /** Its gate or its stand-in has ended, or it was killed (by the store's guard, say): what waits there never comes alive. */
  get isLost(): boolean {
    return this.#standIn.ended || (this.#gate?.ended ?? false) || (this.#initPid !== undefined && isExiting(this.#initPid))
  }

  /** Its first process, known from the gate on. */
  async initPid(): Promise<number> {
    this.#initPid = Number((await readFile(path.join(this.#folders.meeting, 'gate.pid'), 'utf8')).trim())
    return this.#initPid
  }

  /** Lets criu turn its sockets on; resolves when they are live and the processes still stopped. */
  async openGate(): Promise<void> {
    if (!this.#gate) return
    this.#gate.send('go')
    const decided = await this.#gate.waitFor((line) => line.startsWith('decided ') || line.startsWith('error'), answerTimeoutMs)
    if (decided !== 'decided go') throw new Error(`Opening the gate of ${this.name}: it said "${decided}"`)
    await Promise.race([this.#gate.waitFor((line) => line.startsWith('event pre-resume '), restoreTimeoutMs), this.#running()])
  }

  /** Resolves when the processes run on. */
  async resume(): Promise<void> {
    this.#gate?.send('resume')
    const resumed = this.#gate?.waitFor((line) => line.startsWith('event post-resume '), restoreTimeoutMs)
    await Promise.race([resumed ?? this.#running(), this.#running()])
  }

  /** The stand-in knows it as running: from here it mirrors its end. */
  async settle(): Promise<void> {
    await this.#running().finally(() => this.close())
  }

  close(): void {
    this.#gate?.close()
    this.#standIn.close()
  }

  /** A stand-in that waits again is a new one: kubelet started the container once more. */
  async #running(): Promise<string> {
    const line = await this.#standIn.waitFor((said) => isEnd(said) || said === 'waiting', restoreTimeoutMs)
    if (line.startsWith('running ')) return line
    const reason = (await criuErrors(path.join(this.#folders.work, 'restore.log'))) ?? line
    throw new CodedError('RestoreFailed', `Resuming container ${this.name}: ${reason}`)
  }
}

/** Ends an attempt that was never let go: the gate aborts, the stand-in quits. Idempotent, whatever is left of it. */
export async function discard(folders: ContainerFolders): Promise<void> {
  const gate = await LineClient.connect(path.join(folders.meeting, 'gate.sock')).catch(() => undefined)
  const standIn = await LineClient.connect(path.join(folders.meeting, 'standin.sock')).catch(() => undefined)
  gate?.send('abort')
  if (standIn) await quit(standIn)
  gate?.close()
  await rm(folders.images, { recursive: true, force: true })
}

/** One that waits or has failed goes; kubelet then starts the container once more. */
export async function quitStandIn(meeting: string): Promise<void> {
  const standIn = await LineClient.connect(path.join(meeting, 'standin.sock')).catch(() => undefined)
  if (standIn) await quit(standIn)
}

/**
 * One whose criu was killed after its gate had opened is ended: what only its criu could have finished is not done, and nobody can tell what of
 * it is missing. Its sockets may still be in repair: closed like that they would tell their peers nothing, and those would wait for ever.
 * Whatever holds its end of criu's socket is among its processes, so runc would not see either that criu has gone.
 */
export async function endRestored(config: AgentConfig, meeting: string): Promise<void> {
  const standIn = await LineClient.connect(path.join(meeting, 'standin.sock')).catch(() => undefined)
  if (!standIn) return
  const status = await standIn.ask('status', answerTimeoutMs).finally(() => standIn.close())
  const running = /^running (\d+)$/.exec(status)?.[1]
  if (running === undefined && status !== 'restoring') return
  const first = Number(running ?? (await readFile(path.join(meeting, 'gate.pid'), 'utf8')).trim())
  // To signal 0 would be to signal ourselves.
  if (!(first > 1)) return
  const pids = treeOf(first)
  await leaveRepair(config, pids).catch((error: unknown) => log.warn({ err: error, meeting }, 'sockets were left in repair'))
  for (const pid of pids) killQuietly(pid)
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It went with its first process.
  }
}

/** Refused while restoring, so the end of that is waited for. */
async function quit(standIn: LineClient): Promise<void> {
  try {
    const status = await standIn.ask('status', answerTimeoutMs)
    if (status === 'restoring') await untilNotRestoring(standIn)
    standIn.send('quit')
    await standIn.waitFor(() => false, quitTimeoutMs)
  } catch {
    // Its end of the connection closed: it has quit, or it died, which is the same here.
  } finally {
    standIn.close()
  }
}

async function untilNotRestoring(standIn: LineClient): Promise<void> {
  const deadlineMs = performance.now() + restoreTimeoutMs
  while ((await standIn.ask('status', answerTimeoutMs)) === 'restoring' && performance.now() < deadlineMs)
    await new Promise((resolve) => setTimeout(resolve, 10))
}

function isEnd(line: string): boolean {
  return line.startsWith('running ') || line.startsWith('failed ')
}
