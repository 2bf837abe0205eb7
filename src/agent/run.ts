// The one place of the agent that starts programs: in its own container, in the host's namespaces, or in a pod's network namespace.
import { execa } from 'execa'
import { keepAlike, putBeforeCopies, putFirst, putForemost } from './priority.ts'

export interface RunOptions {
  input?: string | Uint8Array
  timeoutMs?: number
  /** false: a failed command is a result, not an exception. */
  reject?: boolean
  signal?: AbortSignal
  /** It waits for the freeze, or works in it, whenever it was started. */
  urgent?: boolean
  /** The freeze waits for it longest: files and pages, which go beside it, have slack. */
  foremost?: boolean
  /** It copies: as urgent as the agent, whatever that comes to while it runs. */
  copies?: boolean
  env?: Record<string, string>
  /** latin1: output is bytes, one a character (file names). */
  encoding?: 'utf8' | 'latin1'
}

export interface RunResult {
  exitCode: number
  stdout: string
  stderr: string
  durationMs: number
}

const defaultTimeoutMs = 30_000

/** Runs a program of the agent's own image (nft, ip, rsync, podmotion-helper …). Throws with the reason first, the command second. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const startedMs = performance.now()
  const child = execa(command, [...args], {
    reject: false,
    timeout: options.timeoutMs ?? defaultTimeoutMs,
    forceKillAfterDelay: 2000,
    stripFinalNewline: false,
    encoding: options.encoding ?? 'utf8',
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    ...(options.signal ? { cancelSignal: options.signal } : {}),
    ...(options.env ? { env: options.env } : {}),
  })
  if (options.foremost) putForemost(child.pid)
  else if (options.urgent) putFirst(child.pid)
  else if (options.copies) keepAlike(child)
  else putBeforeCopies(child.pid)
  const result = await child
  const outcome = {
    exitCode: result.exitCode ?? 128,
    stdout: result.stdout,
    stderr: result.stderr,
    durationMs: performance.now() - startedMs,
  }
  if (result.failed && options.reject !== false) throw new Error(describeFailure(command, args, outcome, result.timedOut))
  return outcome
}

/** Runs a program of the host (runc, criu, systemctl): in the host's mount namespace, seen from the agent's hostPID container. */
export function runOnHost(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return run('nsenter', ['--target', '1', '--mount', '--uts', '--ipc', '--net', '--', command, ...args], options)
}

// The root of the one hierarchy of v2, or of each of v1; on v2 the folders below are others' cgroups.
const leaveCgroups =
  'c=/sys/fs/cgroup; if [ -e $c/cgroup.procs ]; then echo $$ > $c/cgroup.procs; else for f in $c/*/cgroup.procs; do echo $$ > $f; done; fi 2>/dev/null; exec "$@"'

/**
 * Runs a program of the host that outlives the agent: the end of a container kills all in its cgroups, and a criu that is killed in the
 * middle of a dump may leave the program it works on broken.
 */
export function runOutliving(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return runOnHost('sh', ['-c', leaveCgroups, 'sh', command, ...args], options)
}

/** Runs a program of the agent's image inside the network namespace of a process. */
export function runInNetworkOf(pid: number, command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return run('nsenter', ['--target', String(pid), '--net', '--', command, ...args], options)
}

function describeFailure(command: string, args: readonly string[], result: RunResult, timedOut: boolean): string {
  const reason = timedOut ? 'timed out' : `exited ${result.exitCode}`
  const said = (result.stderr.trim() || result.stdout.trim()).slice(-1500)
  return `${command} ${reason}${said ? ` (${said})` : ''}: ${[command, ...args].join(' ')}`
}
