// TCP sockets of processes with their sequence numbers, as podmotion-helper reads them (native/README.md).
import { z } from 'zod'
import type { AgentConfig } from '../config.ts'
import { SocketNumbers } from '../peer/wire.ts'
import { run } from '../run.ts'

/** reasons: sentences about descriptors that cannot be moved, each with process and number. */
const Reasons = z.object({ reasons: z.array(z.string()) })
const SocketReport = z.object({ sockets: z.array(SocketNumbers), reasons: z.array(z.string()) })
export type SocketReport = z.infer<typeof SocketReport>

/** What a criu leaves that was killed in the middle of a dump: sockets in repair, which take and send nothing. */
export async function leaveRepair(config: AgentConfig, pids: readonly number[]): Promise<void> {
  if (pids.length > 0) await run(config.helper, ['unrepair', ...pids.map(String)])
}

/** Only of a frozen pod, or of one at the gate: the numbers are read in repair, and a `recv` that meets it fails. */
export async function readSockets(config: AgentConfig, pids: readonly number[]): Promise<SocketReport> {
  if (pids.length === 0) return { sockets: [], reasons: [] }
  const { stdout } = await run(config.helper, ['sockets', ...pids.map(String)])
  return SocketReport.parse(JSON.parse(stdout))
}

/** Of a running pod; touches nothing. */
export async function readReasons(config: AgentConfig, pids: readonly number[]): Promise<string[]> {
  if (pids.length === 0) return []
  const { stdout } = await run(config.helper, ['reasons', ...pids.map(String)])
  return Reasons.parse(JSON.parse(stdout)).reasons
}
