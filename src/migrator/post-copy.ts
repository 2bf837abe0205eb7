// What mode PostCopy needs of the two nodes, beyond what every move does.
import type { V1Pod } from '@kubernetes/client-node'
import type { NodeMigrationCapacity } from '../api/node-migration-capacity.ts'
import type { PodMigrationSpec, Refusal } from '../api/pod-migration.ts'
import { movedContainers } from './pod-containers.ts'

type Side = 'source' | 'destination'

/** The tracker's PAGEMAP_SCAN with asynchronous write-protection. */
const trackerKernel = [6, 7] as const

export function postCopyRefusals(
  { mode }: Pick<PodMigrationSpec, 'mode'>,
  side: Side,
  nodeName: string,
  capacity: NodeMigrationCapacity | undefined,
): Refusal[] {
  const { status } = capacity ?? {}
  if (mode !== 'PostCopy' || !status) return []
  if (!status.modes?.includes('PostCopy'))
    return [
      refusal(side, nodeName, `an agent (${status.agentVersion ?? 'of before'}) that does not know the mode`, 'update the agent there'),
    ]
  const lacks = whatLacks(side, status.kernel, status.trackers ?? [])
  if (!lacks) return []
  return [refusal(side, nodeName, lacks, side === 'source' ? 'use mode Cold, or PreCopy' : 'choose another node, or use mode PreCopy')]
}

function refusal(side: Side, nodeName: string, lacks: string, remedy: string): Refusal {
  return { code: 'PostCopyUnavailable', message: `spec.mode PostCopy: ${side} node ${nodeName} has ${lacks}`, remedy }
}

/** Why a move of this pod cannot become one of mode PostCopy, whatever its nodes are like. */
export function postCopyObstacle(pod: V1Pod): string | undefined {
  return execLiveness(pod)[0]
}

/** Probes over the network reach the destination; a command would be run among the frozen processes, and kubelet end them for its silence. */
export function execLiveness(pod: V1Pod): string[] {
  const asked = movedContainers(pod).filter(({ livenessProbe }) => livenessProbe?.exec)
  return asked.map(
    ({ name }) => `the liveness probe of container ${name} is a command, which the frozen source cannot run while its memory is fetched`,
  )
}

function whatLacks(side: Side, kernel: string | undefined, trackers: readonly string[]): string | undefined {
  if (!trackers.includes('userfaultfd')) return 'no userfaultfd'
  if (side === 'source' && isOlder(kernel)) return `Linux ${kernel}, and the memory of a running pod is tracked from 6.7 on`
  return undefined
}

function isOlder(kernel: string | undefined): boolean {
  const [major, minor = 0] =
    /\d+(\.\d+)?/
      .exec(kernel ?? '')?.[0]
      .split('.')
      .map(Number) ?? []
  if (major === undefined) return false
  return major < trackerKernel[0] || (major === trackerKernel[0] && minor < trackerKernel[1])
}
