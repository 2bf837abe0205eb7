// The agent's own work comes first on its node: while it dumps and sends, a pod stands still, and every lost time slice is its freeze.
import { existsSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import { messageOf } from '../runtime/errors.ts'
import { log } from '../runtime/log.ts'
import type { AgentConfig } from './config.ts'

const nice = -15

/**
 * Out of the pod's share (and throttling) of the processor, with all programs it starts; memory and pids stay accounted to the pod.
 * Only where the cpu controller has a hierarchy of its own (cgroup v1): in v2 a process leaves all its accounts or none.
 */
export function takePriority({ cgroupDir }: AgentConfig): void {
  const processes = `${cgroupDir}/cpu/cgroup.procs`
  try {
    if (existsSync(processes)) writeFileSync(processes, String(process.pid))
    setPriority(nice)
  } catch (error) {
    log.warn({ reason: messageOf(error) }, 'taking priority on the processor failed')
  }
}
