// Processes of a restored container, from /proc: before its cgroup or runc's state name them.
import { readdirSync, readFileSync } from 'node:fs'

export function treeOf(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(treeOf)]
}

/** Killed and on its way out, or gone. The kernel's flags: proc_pid_stat(5), field 9; PF_EXITING of include/linux/sched.h. */
export function isExiting(pid: number): boolean {
  const exiting = 4
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const [, , , , , , flags] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(flags) & exiting) !== 0
  } catch {
    return true
  }
}

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    )
  } catch {
    return []
  }
}
