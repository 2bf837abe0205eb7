// Follows one migration to its end, telling each phase and message once.
import { isTerminal } from '../api/phases.ts'
import type { PodMigration } from '../api/pod-migration.ts'
import { podMigrationPath } from '../kube/paths.ts'
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
    seen = await client.get<PodMigration>(podMigrationPath(seen.metadata.namespace, seen.metadata.name))
  }
}

export function describeProgress({ metadata, status }: PodMigration): string {
  return `${metadata.name}: ${status?.phase ?? 'Pending'}${status?.message ? `: ${status.message}` : ''}`
}
