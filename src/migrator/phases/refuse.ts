// Ends a migration before anything happened, with every reason at once.
import type { PodMigrationStatus, Refusal } from '../../api/pod-migration.ts'
import { closeConditions, isoTime } from '../conditions.ts'
import { type Decision, end } from '../decision.ts'
import type { Instant } from '../observed.ts'

export function refuse(status: PodMigrationStatus, refusals: readonly Refusal[], nowMs: Instant): Decision {
  const summary = refusals.map(({ code, message }) => `${code}: ${message}`).join(' · ')
  const remedies = refusals.flatMap(({ remedy }) => (remedy ? [remedy] : []))
  const refused: PodMigrationStatus = {
    ...closeConditions(status, 'Refused', nowMs),
    refusals: [...refusals],
    message: `refused, the pod was not touched: ${summary}`,
    failure: { code: 'Refused', message: summary, ...(status.phase ? { phase: status.phase } : {}) },
    ...(remedies.length > 0 ? { nextStep: [...new Set(remedies)].join('; ') } : {}),
  }
  return end('Failed', refused, isoTime(nowMs))
}
