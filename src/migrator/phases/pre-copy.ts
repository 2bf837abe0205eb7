// PreCopyMemory (Checkpointing in mode Cold): this version has no rounds; the agents copy memory ahead by themselves, and the status says so.
import { intend } from '../conditions.ts'
import { type Decision, enter } from '../decision.ts'
import type { Instant, Migration, Observed } from '../observed.ts'

export function preCopyMemory(migration: Migration, observed: Observed, nowMs: Instant): Decision {
  const reason = 'no rounds: memory is copied ahead once, and what the dump in the freeze shows to differ is sent then'
  return prewarm({ ...migration, status: { ...migration.status, preCopy: { rounds: [], reason } } }, observed, nowMs)
}

/** Cold has no rounds by definition; its checkpoint is taken when the destination stands. */
export function checkpointing(migration: Migration, observed: Observed, nowMs: Instant): Decision {
  return prewarm(migration, observed, nowMs)
}

function prewarm({ status }: Migration, _observed: Observed, nowMs: Instant): Decision {
  const intended = intend(status, 'DestinationNetnsReady', 'the destination pod is about to be created', nowMs)
  return enter('DestinationPrewarm', { ...intended, message: `creating the destination pod ${status.destinationPodName}` })
}
