// estimate POD: a dry run that cleans up after itself; exit code 0 when the pod can be moved.
import type { PodMigration } from '../../api/pod-migration.ts'
import { podMigrationPath } from '../../kube/paths.ts'
import { followToEnd } from '../follow.ts'
import type { Invocation } from '../invocation.ts'
import { forPrograms } from '../output.ts'
import { createMigration } from './migrate.ts'

// Longer than the controller waits for a silent agent.
const longestEstimateMs = 60_000

export async function estimate(invocation: Invocation): Promise<number> {
  const { terminal, client, options } = invocation
  const created = await createMigration(invocation, true)
  const quiet: Invocation = { ...invocation, terminal: { ...terminal, err: () => undefined } }
  const ended = await followToEnd(quiet, created, longestEstimateMs)
  await client.delete(
    podMigrationPath(created.metadata.namespace, created.metadata.name),
    created.metadata.uid ? { uid: created.metadata.uid } : {},
  )
  terminal.out(forPrograms([ended], options.output, true) ?? describeEstimate(ended))
  return ended.status?.phase === 'DryRunComplete' ? 0 : 1
}

function describeEstimate({ spec, status }: PodMigration): string {
  const pod = `pod ${spec.podNamespace}/${spec.podName}`
  if (status?.phase === 'DryRunComplete') {
    const numbers = status.estimate
    const cost = numbers
      ? `: ${numbers.memoryMB} MB of memory, a freeze of about ${numbers.freezeMs} ms, ${numbers.totalSeconds} s in all`
      : ''
    return `${pod} can be moved from ${status.sourceNode} to ${status.destinationNode}${cost}\n`
  }
  if (!status?.refusals?.length) return `${pod}: no answer (${status?.message ?? 'is the controller running?'})\n`
  const reasons = status.refusals.map(({ code, message, remedy }) => `  ${code}: ${message}${remedy ? `\n    ${remedy}` : ''}\n`)
  return `${pod} cannot be moved:\n${reasons.join('')}`
}
