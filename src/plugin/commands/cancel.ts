// cancel NAME|POD: deletes the PodMigration, which rolls back before the commit and finishes after it; refused once it is over.
import { isTerminal } from '../../api/phases.ts'
import { podMigrationPath } from '../../kube/paths.ts'
import { CodedError } from '../../runtime/errors.ts'
import { findMigration } from '../find-migration.ts'
import type { Invocation } from '../invocation.ts'

export async function cancel(invocation: Invocation): Promise<number> {
  const { terminal, client } = invocation
  const { metadata, status } = await findMigration(invocation)
  if (isTerminal(status?.phase)) {
    const message = `Cancelling ${metadata.name}: it is over (${status?.phase}${status?.message ? `: ${status.message}` : ''}): nothing to cancel`
    throw new CodedError('AlreadyOver', message)
  }
  await client.delete(podMigrationPath(metadata.namespace, metadata.name), metadata.uid ? { uid: metadata.uid } : {})
  const outcome =
    status?.committedAt || status?.granted ? 'is past the point of no return and will finish' : 'is being cancelled, the pod stays'
  terminal.out(`podmigration.podmotion.io/${metadata.name} ${outcome}\n`)
  return 0
}
