// What the TCP sockets of a pod are.
import type { PodSocket } from '../pod-tcp.ts'

const establishedState = 1
const halfOpenState = 3
const listenState = 10
/** ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK, CLOSING: a peer still counts on these. */
const liveStates = new Set([1, 4, 5, 8, 9, 11])

export function isListener(socket: PodSocket): boolean {
  return socket.state === listenState
}

/** A handshake whose last segment has not come. */
export function isHalfOpen(socket: PodSocket): boolean {
  return socket.state === halfOpenState
}

export function isEstablished(socket: PodSocket): boolean {
  return socket.state === establishedState
}

/** A connection that somebody outside the pod holds the other end of. */
export function isOutside(socket: PodSocket): boolean {
  if (!liveStates.has(socket.state)) return false
  return !socket.remote.startsWith('127.') && socket.remote !== '::1' && socket.remote !== socket.local
}
