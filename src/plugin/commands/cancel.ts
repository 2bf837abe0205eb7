// cancel NAME|POD: deletes the PodMigration, which rolls back before the commit and finishes after it; refused once it is over.
import { isTerminal } from '../../api/phases.ts'
import { podMigrationPath } from '../../kube/paths.ts'
import { CodedError } from '../../runtime/errors.ts'
import { findMigration } from '../find-migration.ts'
import type { Invocation } from '../invocation.ts'
import { forPrograms } from '../output.ts'

export async function cancel(invocation: Invocation): Promise<number> {
  const { terminal, client, options } = invocation
  const migration = await findMigration(invocation)
  const { metadata, status } = migration
  if (isTerminal(status?.phase)) {
    const message = `Cancelling ${metadata.name}: it is over (${status?.phase}${status?.message ? `: ${status.message}` : ''}): nothing to cancel`
    throw new CodedError('AlreadyOver', message)
  }
  await client.delete(podMigrationPath(metadata.namespace, metadata.name), metadata.uid ? { uid: metadata.uid } : {})
  const outcome =
    status?.committedAt || status?.granted ? 'is past the point of no return and will finish' : 'is being cancelled, the pod stays'
  terminal.out(forPrograms([migration], options.output, true) ?? `podmigration.podmotion.io/${metadata.name} ${outcome}\n`)
  return 0
}
