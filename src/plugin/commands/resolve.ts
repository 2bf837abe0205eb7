// resolve NAME|POD --destination-gone: a person's word, for a migration that was granted and whose destination nobody can ask any more.
import { annotations } from '../../api/names.ts'
import { podMigrationPath } from '../../kube/paths.ts'
import { CodedError } from '../../runtime/errors.ts'
import { findMigration } from '../find-migration.ts'
import type { Invocation } from '../invocation.ts'

export async function resolve(invocation: Invocation): Promise<number> {
  const { terminal, client, options } = invocation
  const { metadata, status } = await findMigration(invocation)
  const node = status?.destinationNode ?? 'the destination node'
  if (!status?.granted || status.committedAt || status.completedAt) {
    throw new CodedError(
      'NotInDoubt',
      `Resolving ${metadata.name}: it is ${status?.phase ?? 'Pending'} and not in doubt: nothing to resolve`,
    )
  }
  if (!options.destinationGone) {
    const danger = `if the pod does run on ${node}, two copies answer for one address`
    throw new CodedError(
      'NotConfirmed',
      `Resolving ${metadata.name}: ${danger}: make sure that ${node} is off for good, then add --destination-gone`,
    )
  }
  const path = podMigrationPath(metadata.namespace, metadata.name)
  await client.mergePatch(path, { metadata: { annotations: { [annotations.resolved]: 'destinationGone' } } })
  terminal.out(`podmigration.podmotion.io/${metadata.name} resolved: the pod goes on on ${status.sourceNode}\n`)
  return 0
}
