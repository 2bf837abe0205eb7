// criu processes that still work on a move's images: what they do at their end must not come after our thaw.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

const pollMs = 5
/** criu gives up at its next step once runc has gone, and ends its dump when both outlived the agent; one that does neither is stuck. */
const patienceMs = 4000

/** By their open files: runc and our proxy may be dead, and then nobody else knows the pid. */
export function dumpersOf(imageFolder: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => isCriu(pid) && hasOpen(pid, imageFolder))
}

/** Of any move or program. */
export function anyCriu(): boolean {
  return readdirSync('/proc').some((name) => /^\d+$/.test(name) && isCriu(Number(name)))
}

/**
 * A dying criu puts the freezer back into the state it found, FROZEN: a thaw before that would be undone by it, and the pod would stand
 * still for ever. Stuck ones are killed; their parasites then return to the program by themselves.
 */
export async function untilNoDumper(imageFolder: string): Promise<void> {
  const deadlineMs = performance.now() + patienceMs
  for (let pids = dumpersOf(imageFolder); pids.length > 0; pids = dumpersOf(imageFolder)) {
    if (performance.now() > deadlineMs) for (const pid of pids) killQuietly(pid)
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
}

/** runc's child, `criu swrk 3`; one that has begun calls itself `criu: dump --rpc …`. */
function isCriu(pid: number): boolean {
  try {
    const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    return args.includes('swrk') || args[0]?.startsWith('criu: ') === true
  } catch {
    return false
  }
}

function hasOpen(pid: number, folder: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => linkOf(`/proc/${pid}/fd/${fd}`).startsWith(folder))
  } catch {
    return false
  }
}

function linkOf(file: string): string {
  try {
    return readlinkSync(file)
  } catch {
    return ''
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}
