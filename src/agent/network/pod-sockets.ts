// The TCP sockets of a network namespace from the text of /proc/<pid>/net/tcp and tcp6.
import { addressOf } from '../../runtime/addresses.ts'

export interface PodSocket {
  local: string
  localPort: number
  remote: string
  remotePort: number
  state: number
}

const establishedState = 1
const halfOpenState = 3
const listenState = 10
/** ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK, CLOSING: a peer still counts on these. */
const liveStates = new Set([1, 4, 5, 8, 9, 11])

export function parseSockets(text: string): PodSocket[] {
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length > 4)
    .map(([, local = '', remote = '', state = '']) => {
      const [address, port] = parseEndpoint(local)
      const [peer, peerPort] = parseEndpoint(remote)
      return { local: address, localPort: port, remote: peer, remotePort: peerPort, state: Number.parseInt(state, 16) }
    })
}

function parseEndpoint(text: string): [string, number] {
  const [address = '', port = '0'] = text.split(':')
  return [parseAddress(address), Number.parseInt(port, 16)]
}

/** An IPv4 address of an IPv6 socket. */
const mappedPrefix = '0000000000000000FFFF0000'

function parseAddress(hex: string): string {
  return addressOf(groupsIn(hex.startsWith(mappedPrefix) ? hex.slice(mappedPrefix.length) : hex))
}

/** Each 32-bit word is printed as the machine's (little-endian) number. */
function groupsIn(hex: string): number[] {
  return (hex.match(/.{8}/g) ?? []).flatMap((word) => {
    const [a = 0, b = 0, c = 0, d = 0] = Buffer.from(word, 'hex').reverse()
    return [a * 256 + b, c * 256 + d]
  })
}

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
