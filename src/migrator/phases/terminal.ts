// Complete, DryRunComplete, RolledBack, Failed: nothing happens any more, except that people are told, that the object may be deleted freely again, and that
// a destination pod which comes too late is taken back.
import { finalizer } from '../../api/names.ts'
import type { Decision, Effect } from '../decision.ts'
import { newsOfEnd } from '../news.ts'
import type { Migration, Observed } from '../observed.ts'
import { deletionOf } from '../pod-deletion.ts'
import { isDestinationOf } from '../pod-lookup.ts'

export function terminal(migration: Migration, observed: Observed): Decision {
  const { metadata, status } = migration
  const release: Effect[] = metadata.finalizers?.includes(finalizer) ? [...newsOfEnd(status), { kind: 'removeFinalizer' }] : []
  return { status, effects: [...release, ...lateDestination(migration, observed)] }
}

/** Its creation was still on the way when the move had gone back, from a controller that has died since. Without a grant it can never live. */
function lateDestination({ metadata, status }: Migration, { destinationPod }: Observed): Effect[] {
  if (status.phase !== 'RolledBack' || status.granted || status.committedAt) return []
  return destinationPod && isDestinationOf(metadata.uid, destinationPod) ? deletionOf(destinationPod, true) : []
}
