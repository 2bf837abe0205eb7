// TCP sockets of processes with their sequence numbers, as podmotion-helper reads them (native/README.md).
import { z } from 'zod'
import type { AgentConfig } from '../config.ts'
import { SocketNumbers, SocketOptions } from '../peer/wire.ts'
import { run } from '../run.ts'
import { WaitingRun } from '../waiting-run.ts'

/** About 200 bytes for each socket. */
const reportLimitBytes = 64 << 20

/** reasons: sentences about descriptors that cannot be moved, each with process and number. */
const Reasons = z.object({ reasons: z.array(z.string()) })
const SocketReport = z.object({
  sockets: z.array(SocketNumbers),
  reasons: z.array(z.string()),
  /** Those that criu does not carry: told by a source, one line a socket. */
  options: z.array(SocketOptions),
  /** Told to a destination, and its kernel would not have them. */
  refused: z.array(z.string()),
})
export type SocketReport = z.infer<typeof SocketReport>

/** What a criu leaves that was killed in the middle of a dump: sockets in repair, which take and send nothing. */
export async function leaveRepair(config: AgentConfig, pids: readonly number[]): Promise<void> {
  if (pids.length > 0) await run(config.helper, ['unrepair', ...pids.map(String)])
}

/** Started ahead: inside the freeze it has only to look. */
export class SocketReader {
  readonly #config: AgentConfig
  readonly #waiting: WaitingRun

  constructor(config: AgentConfig) {
    this.#config = config
    this.#waiting = new WaitingRun(config.helper, ['sockets', '-'], reportLimitBytes)
  }

  /** With `options`: set first. Once, and only of a frozen pod, or of one at the gate: the numbers are read in repair, and a `recv` that meets it fails. */
  async read(pids: readonly number[], options: readonly SocketOptions[] = []): Promise<SocketReport> {
    const input = [pids.join(' '), ...options].join('\n')
    const { exitCode, stdout } = await this.#waiting.finish(input)
    if (exitCode === 0) return SocketReport.parse(JSON.parse(stdout))
    const again = await run(this.#config.helper, ['sockets', '-'], { input })
    return SocketReport.parse(JSON.parse(again.stdout))
  }

  cancel(): void {
    this.#waiting.cancel()
  }
}

/** Of a running pod; touches nothing. */
export async function readReasons(config: AgentConfig, pids: readonly number[]): Promise<string[]> {
  if (pids.length === 0) return []
  const { stdout } = await run(config.helper, ['reasons', ...pids.map(String)])
  return Reasons.parse(JSON.parse(stdout)).reasons
}
