// The rsync command lines of a file copy, measured for the shortest last pass.

import { nameMark } from './rsync-output.ts'

export interface Copy {
  /** Source folder on this node. */
  folder: string
  /** `--rsh` value: the way to the peer's folder. */
  remoteShell: string
  /** Only these paths, relative, NUL-separated on stdin; a path that the folder lacks is deleted there. Absent: the whole folder. */
  listed?: boolean
  /**
   * compared: blocks that differ are sent even where size and time are equal; whole: everything is sent; trusted: nothing is sent where
   * the size is equal, only times, owners and the like are set. Absent: what differs in size or time is sent by blocks.
   */
  contents?: 'compared' | 'whole' | 'trusted'
  /** Files of this size and above stay as they are there. */
  leaveFromBytes?: number
  /** 0: no limit. */
  bandwidthLimitMbps: number
}

/**
 * Above this a file is sent by changed blocks. Comparing needs both sides to read it and one more round trip: 16 MiB (a WAL segment)
 * took 24 ms whole and 110 ms by blocks, while a gigabyte of a table would fill the link.
 */
export const wholeFileLimitBytes = 32 * 1024 * 1024

export function copyArguments(copy: Copy): string[] {
  return [
    '-aHAXS',
    '--numeric-ids',
    // Written in place: a database's big file is not copied anew on the destination for one page.
    '--inplace',
    '--force',
    // Whole seconds are the default: a file written twice in one second would be taken for equal.
    '--modify-window=-1',
    // Labels carry the pod's own category pair; the destination's are set by its runtime.
    '--filter=-x security.selinux',
    ...(copy.listed ? ['--files-from=-', '--from0', '--no-implied-dirs', '--delete-missing-args'] : ['--delete', '--one-file-system']),
    ...contentArguments(copy.contents),
    // Through two agents and TLS every byte costs more than lz4 does.
    ...(copy.contents === 'trusted' ? [] : ['--compress', '--compress-choice=lz4']),
    ...(copy.leaveFromBytes === undefined ? [] : [`--max-size=${copy.leaveFromBytes - 1}`]),
    ...(copy.bandwidthLimitMbps > 0 ? [`--bwlimit=${bandwidthLimitKiB(copy.bandwidthLimitMbps)}`] : []),
    '--no-human-readable',
    '--stats',
    '--8-bit-output',
    `--out-format=${nameMark}%n`,
    `--rsh=${copy.remoteShell}`,
    `${copy.folder}/`,
    'peer::root/',
  ]
}

function contentArguments(contents: Copy['contents']): string[] {
  if (contents === 'trusted') return ['--size-only']
  if (contents === 'compared') return ['--ignore-times']
  if (contents === 'whole') return ['--ignore-times', '--whole-file']
  return []
}

/** rsync counts KiB per second; 0 would mean no limit. */
function bandwidthLimitKiB(megabitsPerSecond: number): number {
  return Math.max(1, Math.floor((megabitsPerSecond * 1_000_000) / 8 / 1024))
}
