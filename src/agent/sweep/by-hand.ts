// `agent sweep [--dry-run]`: what migrations left on this node, and what of it nobody needs any more, told to a person.
import type { AgentConfig } from '../config.ts'
import { createPodNetwork } from '../network/pod-network.ts'
import { sweepAlone } from './sweep.ts'

export async function sweepByHand(config: AgentConfig, dryRun: boolean): Promise<string> {
  const { kept, removed } = await sweepAlone(config, createPodNetwork(config), dryRun)
  const lines = [
    ...kept.map((what) => `in use         ${what}`),
    ...removed.map((what) => `${dryRun ? 'would remove  ' : 'removed       '} ${what}`),
    `${kept.length} in use, ${removed.length} ${dryRun ? 'to be removed' : 'removed'}`,
  ]
  return lines.join('\n')
}
