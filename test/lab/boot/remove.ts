// Takes a lab off the machine, running or dead: processes, cgroups, mounts, files.
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { execa } from 'execa'
import { layoutOf } from '../layout.ts'
import { cgroupOf, endProcessesIn, removeCgroups } from './cgroups.ts'
import { isAlive, readRecord } from './record.ts'

export async function removeLab(name: string): Promise<void> {
  await endLab(name)
  const { state } = layoutOf(name)
  for (const mount of mountsUnder(state)) await execa('umount', ['-l', mount])
  await rm(state, { recursive: true, force: true, maxRetries: 3 })
}

// Everything but the files.
export async function endLab(name: string): Promise<void> {
  const record = readRecord(name)
  if (record && isAlive(record.outer)) process.kill(record.outer.pid, 'SIGKILL')
  await endProcessesIn(cgroupOf(name))
  await removeCgroups(cgroupOf(name))
}

export function isRunning(name: string): boolean {
  const record = readRecord(name)
  // Frozen processes can keep PID 1 from dying after the outer process was killed: such a lab is dead.
  return record !== undefined && isAlive(record.outer) && isAlive(record.init)
}

// A lab's mounts live in its own namespace: there are none here unless somebody made them by hand.
function mountsUnder(folder: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((mount) => mount.startsWith(`${folder}/`))
    .reverse()
}
