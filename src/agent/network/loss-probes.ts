// Between its diversion and its lock a pod still sends, but what acknowledges that waits on the destination already. After two ticks of the kernel's
// clock (8 ms at 250 Hz) without an acknowledgement a tail loss probe (RFC 8985) sends the last segment of a stream again, and its peer gets it twice.
import { messageOf } from '../../runtime/errors.ts'
import { log } from '../../runtime/log.ts'
import { PodTcp } from '../pod-tcp.ts'

/** Retransmission by the timer alone, which is 200 ms at least. */
const without = '0'

/** What the pod has, before it is changed; undefined: that cannot be read, so it is left alone. */
export async function lossProbesOf(helper: string, sandboxPid: number): Promise<string | undefined> {
  return await PodTcp.of(helper, sandboxPid).lossProbes().catch(leaveThem)
}

export async function stopLossProbes(helper: string, sandboxPid: number): Promise<void> {
  await PodTcp.of(helper, sandboxPid).setLossProbes(without).catch(leaveThem)
}

/** A pod that is gone needs none; one that stays without recovers from a lost last segment later than it could. */
export async function resumeLossProbes(helper: string, sandboxPid: number, value: string): Promise<void> {
  await PodTcp.of(helper, sandboxPid).setLossProbes(value).catch(leaveThem)
}

function leaveThem(error: unknown): undefined {
  log.info({ reason: messageOf(error) }, 'the tail loss probes of a pod are left as they are')
}
