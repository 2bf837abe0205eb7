// `runc checkpoint` of one container, started before the freeze and held by our criu proxy until `go`.
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { CodedError } from '../../runtime/errors.ts'
import type { AgentConfig } from '../config.ts'
import { connectWhenThere, LineClient } from '../criu/line-client.ts'
import { criuErrors } from '../criu/log-file.ts'
import { type RunResult, runOutliving } from '../run.ts'
import { runcRoot } from './state.ts'

const hostPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
/** Warnings and errors: criu's debug log of a database is 16,000 lines, written while the pod is frozen. */
const criuLogLevel = '2'
const dumpTimeoutMs = 60_000
const startTimeoutMs = 5000

export interface DumpFolders {
  images: string
  work: string
  /** Lists of memory that is not to be dumped: it went ahead. */
  skip?: string
  /** The images of the last pre-dump, as seen from these: what was not written since is not dumped. */
  parent?: string
}

export interface HeldDump {
  container: string
  /** Lets criu begin; resolves when the images are complete. When `ended` aborts it is ended: criu gives up when its runc has gone. */
  go(ended: AbortSignal): Promise<void>
  /** Ends a dump that has not begun. */
  cancel(): void
}

/** Pure: the arguments after `runc`. */
export function checkpointArguments(id: string, { images, work, parent }: Omit<DumpFolders, 'skip'>): string[] {
  const options = ['--leave-running', '--tcp-established', '--manage-cgroups-mode', 'ignore', '--image-path', images, '--work-path', work]
  return ['--root', runcRoot, 'checkpoint', ...options, ...(parent === undefined ? [] : ['--parent-path', parent]), id]
}

/** runc finds our proxy as `criu`. */
export function criuEnvironment(config: Pick<AgentConfig, 'optDir'>): Record<string, string> {
  return { PATH: `${config.optDir}/libexec:${hostPath}`, PODMOTION_CRIU_LOG_LEVEL: criuLogLevel }
}

/** The real runc on the host; ours stands in front of it in containerd's configuration. */
export function realRunc(config: AgentConfig): string {
  const file = `${config.optDir}/etc/runc-path`
  return (existsSync(file) && readFileSync(file, 'utf8').split('\n')[0]?.trim()) || 'runc'
}

export async function startHeldDump(config: AgentConfig, container: { name: string; id: string }, folders: DumpFolders): Promise<HeldDump> {
  await Promise.all([folders.images, folders.work].map((folder) => mkdir(folder, { recursive: true, mode: 0o700 })))
  const socket = `${folders.work}/hold.sock`
  await rm(socket, { force: true })
  const overdue = new AbortController()
  const ended = runOutliving(realRunc(config), checkpointArguments(container.id, folders), {
    signal: overdue.signal,
    env: {
      ...criuEnvironment(config),
      PODMOTION_HOLD_DUMP: socket,
      ...(folders.skip === undefined ? {} : { PODMOTION_SKIP: folders.skip }),
    },
    timeoutMs: dumpTimeoutMs,
    reject: false,
    foremost: true,
  })
  const gate = await Promise.race([connectWhenThere(socket, startTimeoutMs), failsEarly(container.name, folders, ended)])
  await Promise.race([gate.waitFor((line) => line.startsWith('event held'), startTimeoutMs), failsEarly(container.name, folders, ended)])
  const go = async (isOver: AbortSignal): Promise<void> => {
    isOver.addEventListener('abort', () => overdue.abort(), { once: true })
    try {
      await finishDump(container.name, folders, gate, ended)
    } catch (error) {
      throw isOver.aborted ? overdueDump(container.name, error) : error
    }
  }
  return { container: container.name, go, cancel: () => gate.send('abort') }
}

function overdueDump(name: string, cause: unknown): CodedError {
  return new CodedError(
    'FreezeBudgetExceeded',
    `Dumping container ${name}: criu had not ended when the freeze budget was over: raise freezeWindowBudgetMs, or see criu's log on the source node`,
    { cause },
  )
}

/** After an agent's restart: a dump that still waits for `go` has touched nothing, and need not be waited for. */
export async function abandonHeldDump(folders: Pick<DumpFolders, 'work'>): Promise<void> {
  const gate = await LineClient.connect(`${folders.work}/hold.sock`).catch(() => undefined)
  gate?.send('abort')
  gate?.close()
}

async function finishDump(name: string, folders: DumpFolders, gate: LineClient, ended: Promise<RunResult>): Promise<void> {
  gate.send('go')
  const result = await ended
  gate.close()
  if (result.exitCode !== 0) throw await dumpFailure(name, folders, result)
}

/** Pure: the message of runc's last error line; the rest quotes criu's log. */
export function runcError(stderr: string): string {
  const messages = [...stderr.matchAll(/level=error msg="((?:[^"\\]|\\.)*)"/g)].map((match) => match[1] as string)
  return messages.at(-1) ?? stderr.trim().slice(-300)
}

async function failsEarly(name: string, folders: DumpFolders, ended: Promise<RunResult>): Promise<never> {
  throw await dumpFailure(name, folders, await ended)
}

async function dumpFailure(name: string, folders: DumpFolders, result: RunResult): Promise<CodedError> {
  return new CodedError(
    'DumpFailed',
    `Dumping container ${name}: runc checkpoint exited ${result.exitCode} (${await dumpReason(folders, result)}): exclude the pod or remove what cannot be checkpointed`,
  )
}

/** criu's word for it, else runc's. */
export async function dumpReason({ work }: Pick<DumpFolders, 'work'>, { stderr }: RunResult): Promise<string> {
  return (await criuErrors(`${work}/dump.log`)) ?? (runcError(stderr) || 'no reason given')
}
