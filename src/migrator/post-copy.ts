// What mode PostCopy needs of the two nodes, beyond what every move does.
import type { NodeMigrationCapacity } from '../api/node-migration-capacity.ts'
import type { PodMigrationSpec, Refusal } from '../api/pod-migration.ts'

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
  const lacks = whatLacks(side, status.kernel, status.trackers ?? [])
  if (!lacks) return []
  return [
    {
      code: 'PostCopyUnavailable',
      message: `spec.mode PostCopy: ${side} node ${nodeName} has ${lacks}`,
      remedy: side === 'source' ? 'use mode Cold, or PreCopy' : 'choose another node, or use mode PreCopy',
    },
  ]
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
