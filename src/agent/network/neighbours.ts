// The next hop of packets that `fwd` of nftables sends: it should be known before the first of them.
import { createSocket } from 'node:dgram'
import { isIpv6 } from '../../runtime/addresses.ts'

/** Nobody answers there. */
const discardPort = 9

/**
 * The kernel asks for its next hop now, and knows it when the rules are there: what `fwd` has to keep until then goes the way of its route after
 * all, out of the held veth. Agents speak to each other in one family only, so the other one's hop may be unknown.
 */
export function learnNeighbour(gateway: string): Promise<void> {
  const socket = createSocket(isIpv6(gateway) ? 'udp6' : 'udp4')
  return new Promise((resolve) => socket.send('', discardPort, gateway, () => socket.close(() => resolve())))
}
