// Pending: the finalizer first, so that a deletion can never leave half a move behind.
import { finalizer } from '../../api/names.ts'
import { isoTime } from '../conditions.ts'
import { type Decision, enter, stay } from '../decision.ts'
import type { Instant, Migration, Observed } from '../observed.ts'
import { waitsForOutbound } from '../turn.ts'

export function pending({ metadata, spec, status }: Migration, observed: Observed, nowMs: Instant): Decision {
  if (!metadata.finalizers?.includes(finalizer)) return stay({ ...status, phase: 'Pending' }, [{ kind: 'addFinalizer' }], 0)
  const waits = spec.dryRun ? undefined : waitsForOutbound(observed.sourcePod?.spec?.nodeName, observed.migrations)
  if (waits) return stay({ ...status, phase: 'Pending', message: waits })
  return enter('Validating', {
    ...status,
    ...(metadata.generation === undefined ? {} : { observedGeneration: metadata.generation }),
    startedAt: isoTime(nowMs),
    message: 'looking for reasons against the move',
  })
}
