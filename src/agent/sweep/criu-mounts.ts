// What a criu that is killed in the middle of a restore leaves on the host: its temporary mount of the container's file systems.
import { readFile } from 'node:fs/promises'
import { runOnHost } from '../run.ts'
import { anyCriu } from '../runc/dumpers.ts'

/** criu 4.2, criu/mount.c: mkdtemp of this name, a tmpfs on it. */
const temporaryMount = /^\/tmp\/\.criu\.mntns\.\w{6}$/

/** Pure: of /proc/<pid>/mountinfo, proc_pid_mountinfo(5). */
export function criuMountsIn(mountinfo: string): string[] {
  return mountinfo
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((mountPoint) => temporaryMount.test(mountPoint))
}

/** Looked for first: whatever criu starts after that makes one of another name. While any works nobody can tell whose they are. */
export async function sweepCriuMounts(dryRun: boolean): Promise<string[]> {
  const mounts = criuMountsIn(await readFile('/proc/1/mountinfo', 'utf8'))
  if (mounts.length === 0 || anyCriu()) return []
  if (!dryRun) {
    for (const mount of mounts) {
      await runOnHost('umount', ['--lazy', mount], { reject: false })
      await runOnHost('rmdir', [mount], { reject: false })
    }
  }
  return mounts.map((mount) => `mount ${mount} of a criu that was killed`)
}
