// All containers of a pod stand still at one instant, with nothing that has come in and is not taken: criu could not carry it.
import { CodedError } from '../../runtime/errors.ts'
import { nowMs } from '../moves.ts'
import type { PodTcp } from '../pod-tcp.ts'
import { freeze, thaw } from '../runc/freezer.ts'
import type { RunningPod } from '../runc/state.ts'
import { unread, untilRead } from '../runc/unread-datagrams.ts'

/** A busy pod takes what has come within milliseconds; what comes after the diversion waits on the destination. */
const acceptTimeoutMs = 50
const datagramTimeoutMs = 20
const freezeTries = 3

export interface FrozenPod {
  atMs: number
  /** UDP sockets with datagrams that are lost with the move. */
  unreadSockets: number
}

/** For a connection that is not accepted the pod runs a moment longer, again; one that it never accepts is an error. */
export async function freezePod({ containers, sandboxPid }: RunningPod, tcp: PodTcp, podName: string): Promise<FrozenPod> {
  const freezers = containers.map(({ freezer }) => freezer)
  await untilRead(sandboxPid, datagramTimeoutMs)
  for (let tries = 1; ; tries++) {
    await tcp.untilAccepted(acceptTimeoutMs)
    const atMs = nowMs()
    await freeze(freezers)
    const waiting = await tcp.waiting()
    if (waiting === 0) return { atMs, unreadSockets: unread(sandboxPid) }
    if (tries === freezeTries) throw notAccepted(podName, waiting)
    await thaw(freezers)
  }
}

function notAccepted(podName: string, waiting: number): CodedError {
  const connections = waiting === 1 ? 'connection waits' : 'connections wait'
  const message = `Freezing ${podName}: ${waiting} ${connections} at its listeners, and it does not accept them: try again when it does`
  return new CodedError('UnacceptedConnections', message)
}
