// Whether the disk has room for images: a node that is nearly full evicts pods, and no checkpoint is worth that. Pure.

/** kubelet begins to remove images, and then pods, where less than 15 % are free. */
const reservedShare = 0.2

export interface Space {
  freeBytes: number
  totalBytes: number
}

/** undefined: NEEDEDBYTES more may be written. */
export function noRoomFor(neededBytes: number, { freeBytes, totalBytes }: Space): string | undefined {
  const reservedBytes = totalBytes * reservedShare
  if (freeBytes - neededBytes >= reservedBytes) return undefined
  return `the images take ${megabytes(neededBytes)} MB more, the disk of the agent's state folder has ${megabytes(freeBytes)} MB free, of which ${megabytes(reservedBytes)} MB (${reservedShare * 100} %) stay free: make room on the node`
}

function megabytes(bytes: number): number {
  return Math.ceil(bytes / 2 ** 20)
}
