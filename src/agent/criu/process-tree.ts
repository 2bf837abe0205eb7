// Processes of a container, from /proc: of one that is restored before its cgroup or runc's state name them.
import { readdirSync, readFileSync } from 'node:fs'

export function treeOf(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(treeOf)]
}

/**
 * Born below `first`, or gone by now. Asked from below: a list of all that are below is old before the next process is looked at, where a
 * program forks all the time.
 */
export function isBelow(first: number, pid: number): boolean {
  for (let at = pid; at !== first; ) {
    const parent = parentOf(at)
    if (parent === undefined) return true
    if (parent === 0) return false
    at = parent
  }
  return true
}

/** Killed and on its way out, or gone. The kernel's flags: proc_pid_stat(5), field 9; PF_EXITING of include/linux/sched.h. */
export function isExiting(pid: number): boolean {
  const exiting = 4
  const fields = statOf(pid)
  return fields === undefined || (Number(fields[6]) & exiting) !== 0
}

function parentOf(pid: number): number | undefined {
  const fields = statOf(pid)
  return fields && Number(fields[1])
}

/** From field 3, its state, on; undefined: it is gone. */
function statOf(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
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
