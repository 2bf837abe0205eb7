// Where two versions of a piece of a file differ. Pure.

export const blockBytes = 4096

/** A gap of equal blocks shorter than this costs less sent than a frame of its own. */
const joinedBlocks = 4

export interface Run {
  at: number
  length: number
}

/** Runs of blocks of `now` that `before` has not; what lies behind the end of `before` differs. */
export function changedRuns(now: Buffer, before: Buffer): Run[] {
  const common = Math.min(now.length, before.length)
  if (now.length === before.length && now.equals(before)) return []
  const runs: Run[] = []
  for (let at = 0; at < now.length; at += blockBytes) {
    const length = Math.min(blockBytes, now.length - at)
    const same = at + length <= common && now.compare(before, at, at + length, at, at + length) === 0
    if (!same) addBlock(runs, at, length)
  }
  return runs
}

function addBlock(runs: Run[], at: number, length: number): void {
  const last = runs.at(-1)
  if (last && at - (last.at + last.length) <= joinedBlocks * blockBytes) last.length = at + length - last.at
  else runs.push({ at, length })
}
