// Tells another agent that a move is over: it may be away, so again and again, for as long as that matters there.
import { type Clock, realClock } from '../../runtime/clock.ts'
import { messageOf } from '../../runtime/errors.ts'
import { log } from '../../runtime/log.ts'
import type { Peers } from '../peer/client.ts'
import { Nothing } from '../peer/wire.ts'

const timeoutMs = 2000
const again = { stepMs: 200, longestMs: 5000 }

interface Told {
  address: string
  /** `/v1/peer/…` */
  path: string
  body: unknown
  forMs: number
}

export async function tellPeer(peers: Pick<Peers, 'to'>, { address, path, body, forMs }: Told, clock: Clock = realClock): Promise<void> {
  const untilMs = clock.nowMs() + forMs
  for (let tries = 1; clock.nowMs() < untilMs; tries++) {
    try {
      await peers.to(address).call(path, body, Nothing, { timeoutMs })
      return
    } catch (error) {
      log.warn({ address, path, tries, reason: messageOf(error) }, 'telling another agent failed')
      await clock.sleep(Math.min(again.stepMs * tries, again.longestMs))
    }
  }
}
