// PreCopyMemory (Checkpointing in mode Cold): the agents copy memory ahead by themselves when the destination stands; their rounds come into the status then.
import { intend } from '../conditions.ts'
import { type Decision, enter } from '../decision.ts'
import type { Instant, Migration, Observed } from '../observed.ts'

export function preCopyMemory(migration: Migration, observed: Observed, nowMs: Instant): Decision {
  return prewarm(migration, observed, nowMs)
}

/** Cold has no rounds by definition; its checkpoint is taken when the destination stands. */
export function checkpointing(migration: Migration, observed: Observed, nowMs: Instant): Decision {
  return prewarm(migration, observed, nowMs)
}

function prewarm({ status }: Migration, _observed: Observed, nowMs: Instant): Decision {
  const intended = intend(status, 'DestinationNetnsReady', 'the destination pod is about to be created', nowMs)
  return enter('DestinationPrewarm', { ...intended, message: `creating the destination pod ${status.destinationPodName}` })
}
