// While a pod that was a port of the bridge still runs, its frames to neighbours there: off the bridge they carry a MAC that is nobody's here.
import { messageOf } from '../../runtime/errors.ts'
import { log } from '../../runtime/log.ts'
import { run } from '../run.ts'

/** Taken for this node's own, they are routed; on the bridge, where only their address counts, nothing changes. */
function framesRuleSet(veth: string): string {
  const table = tableOf(veth)
  return [
    `table netdev ${table} {`,
    `  chain frames { type filter hook ingress device "${veth}" priority 0; policy accept; }`,
    '}',
    `flush chain netdev ${table} frames`,
    `add rule netdev ${table} frames meta pkttype other meta pkttype set host`,
    '',
  ].join('\n')
}

/** Declared before it is deleted, so that it never fails. */
function noFramesRuleSet(veth: string): string {
  return `table netdev ${tableOf(veth)} {\n}\ndelete table netdev ${tableOf(veth)}\n`
}

function tableOf(veth: string): string {
  return `podmotion_frames_${veth.replaceAll(/\W/g, '_')}`
}

/** A kernel that cannot loses what the pod sends to its neighbours until it is frozen; the pod sends it again, a second later. */
export async function takeFrames(veth: string): Promise<void> {
  await run('nft', ['-f', '-'], { input: framesRuleSet(veth) }).catch((error: unknown) =>
    log.warn({ veth, reason: messageOf(error) }, 'frames of a pod to its neighbours are lost until it is frozen'),
  )
}

export async function leaveFrames(veth: string): Promise<void> {
  await run('nft', ['-f', '-'], { input: noFramesRuleSet(veth), reject: false })
}
