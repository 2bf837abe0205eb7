// The rsync command lines of a file copy, measured for the shortest last pass.

export interface Copy {
  /** Source folder on this node. */
  folder: string
  /** `--rsh` value: the way to the peer's folder. */
  remoteShell: string
  /** Only these paths, relative, NUL-separated on stdin; a path that the folder lacks is deleted there. Absent: the whole folder. */
  listed?: boolean
  /** Compare contents even where size and time are equal. */
  distrustTimes?: boolean
  /** 0: no limit. */
  bandwidthLimitMbps: number
}

/** rsync's code for "some files vanished before they were read": a pre-sync of a running pod sees that all the time. */
export const vanishedExitCode = 24

export function copyArguments(copy: Copy): string[] {
  return [
    '-aHAXS',
    '--numeric-ids',
    // Changed blocks only, written in place: a database's big file is not copied anew for one page.
    '--inplace',
    '--force',
    // Whole seconds are the default: a file written twice in one second would be taken for equal.
    '--modify-window=-1',
    // Labels carry the pod's own category pair; the destination's are set by its runtime.
    '--filter=-x security.selinux',
    ...(copy.listed ? ['--files-from=-', '--from0', '--no-implied-dirs', '--delete-missing-args'] : ['--delete', '--one-file-system']),
    ...(copy.distrustTimes ? ['--ignore-times'] : []),
    ...(copy.bandwidthLimitMbps > 0 ? [`--bwlimit=${bandwidthLimitKiB(copy.bandwidthLimitMbps)}`] : []),
    '--no-human-readable',
    '--stats',
    `--rsh=${copy.remoteShell}`,
    `${copy.folder}/`,
    'peer::root/',
  ]
}

/** rsync counts KiB per second; 0 would mean no limit. */
function bandwidthLimitKiB(megabitsPerSecond: number): number {
  return Math.max(1, Math.floor((megabitsPerSecond * 1_000_000) / 8 / 1024))
}

export function sentBytes(stats: string): number {
  return Number(/^Total bytes sent: (\d+)/m.exec(stats)?.[1] ?? 0)
}
