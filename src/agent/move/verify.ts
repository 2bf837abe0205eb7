// The proof while held: every connection of the source exists on the destination, at the same sequence numbers. Pure.
import type { SocketNumbers } from '../peer/wire.ts'

export interface Verification {
  connections: { source: number; destination: number; lost: number }
  sequenceDelta: number
  /** One line per difference, the first few. */
  differences: string[]
}

const shownDifferences = 5
const sequenceSpace = 2 ** 32

export function compareSockets(source: readonly SocketNumbers[], destination: readonly SocketNumbers[]): Verification {
  const found = new Map(destination.filter(isConnection).map((socket) => [keyOf(socket), socket]))
  const connections = source.filter(isConnection)
  const differences: string[] = []
  let lost = 0
  let sequenceDelta = 0
  for (const socket of connections) {
    const other = found.get(keyOf(socket))
    if (!other) lost += 1
    const delta = other ? distance(socket.sndSeq, other.sndSeq) + distance(socket.rcvSeq, other.rcvSeq) : 0
    sequenceDelta += delta
    if (!other) differences.push(`${keyOf(socket)} does not exist on the destination`)
    else if (delta > 0) differences.push(`${keyOf(socket)} is ${delta} bytes off`)
  }
  return {
    connections: { source: connections.length, destination: found.size, lost },
    sequenceDelta,
    differences: differences.slice(0, shownDifferences),
  }
}

/** Sockets with a peer: a listener has no numbers, an unconnected one nothing to lose. */
export function isConnection(socket: SocketNumbers): boolean {
  return socket.remote !== null && socket.sndSeq !== undefined
}

function keyOf(socket: SocketNumbers): string {
  return `${socket.local} - ${socket.remote}`
}

/** Sequence numbers wrap. A number that cannot be read is as far off as can be. */
function distance(a: number | undefined, b: number | undefined): number {
  if (a === undefined || b === undefined) return sequenceSpace / 2
  const apart = (((a - b) % sequenceSpace) + sequenceSpace) % sequenceSpace
  return Math.min(apart, sequenceSpace - apart)
}
