// Follows one migration to its end, telling each phase and message once.
import { isTerminal } from '../api/phases.ts'
import type { PodMigration } from '../api/pod-migration.ts'
import { isNotFound, type KubeClient } from '../kube/client.ts'
import { podMigrationPath } from '../kube/paths.ts'
import { CodedError } from '../runtime/errors.ts'
import type { Invocation } from './invocation.ts'

const lookEveryMs = 200

/** The migration as last seen: ended, or not yet when the time is up or the user interrupts. */
export async function followToEnd(
  invocation: Invocation,
  first: PodMigration,
  timeoutMs = Number.POSITIVE_INFINITY,
): Promise<PodMigration> {
  const { terminal, client } = invocation
  const deadlineMs = terminal.clock.nowMs() + timeoutMs
  let seen = first
  let told = ''
  for (;;) {
    const line = describeProgress(seen)
    if (line !== told) terminal.err(`${line}\n`)
    told = line
    if (isTerminal(seen.status?.phase) || terminal.interrupted.aborted || terminal.clock.nowMs() >= deadlineMs) return seen
    await terminal.clock.sleep(lookEveryMs, terminal.interrupted)
    seen = await lookAgain(client, seen)
  }
}

async function lookAgain(client: KubeClient, seen: PodMigration): Promise<PodMigration> {
  const { namespace, name } = seen.metadata
  try {
    return await client.get<PodMigration>(podMigrationPath(namespace, name))
  } catch (error) {
    if (!isNotFound(error)) throw error
    const where = seen.status?.committedAt ? seen.status.destinationNode : seen.status?.sourceNode
    throw new CodedError(
      'Deleted',
      `Following ${name}: it was deleted (last seen in ${seen.status?.phase ?? 'Pending'}): the pod is on ${where ?? 'its node'}`,
    )
  }
}

export function describeProgress({ metadata, status }: PodMigration): string {
  return `${metadata.name}: ${status?.phase ?? 'Pending'}${status?.message ? `: ${status.message}` : ''}`
}
