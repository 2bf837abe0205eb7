// The API server's record as a word to a source that is still waiting: the destination committed.
import type { PodMigrationStatus } from '../../api/pod-migration.ts'
import type { Effect } from '../decision.ts'
import { isRecord, type Observed } from '../observed.ts'

export function tellSourceCommitted(status: PodMigrationStatus, { source }: Observed): Effect[] {
  if (!status.sourceNode || !status.committedAt || !isRecord(source) || source.state !== 'granted') return []
  return [{ kind: 'resolve', nodeName: status.sourceNode, verdict: 'committed' }]
}
