// Complete, DryRunComplete, RolledBack, Failed: nothing happens any more, except that the object may be deleted freely again.
import { finalizer } from '../../api/names.ts'
import type { Decision } from '../decision.ts'
import type { Migration } from '../observed.ts'

export function terminal({ metadata, status }: Migration): Decision {
  return { status, effects: metadata.finalizers?.includes(finalizer) ? [{ kind: 'removeFinalizer' }] : [] }
}
