// The way back, which exists until the grant: the one place where a migration starts to give up.
import type { PodMigrationStatus } from '../../api/pod-migration.ts'
import { isoTime } from '../conditions.ts'
import { type Decision, type Effect, enter } from '../decision.ts'
import { goingBack } from '../news.ts'
import { type Instant, isRecord, type Migration, type Observed } from '../observed.ts'

export interface Failure {
  code: string
  message: string
  nextStep?: string
}

export function becomeRollingBack(migration: Migration, failure: Failure, nowMs: Instant): Decision {
  const { status } = migration
  const next: PodMigrationStatus = {
    ...status,
    rollbackStartedAt: isoTime(nowMs),
    failure: { code: failure.code, message: failure.message, ...(status.phase ? { phase: status.phase } : {}) },
    message: `going back: ${failure.message}`,
    ...(failure.nextStep ? { nextStep: failure.nextStep } : {}),
  }
  return enter('RollingBack', next, abortSource(migration, failure))
}

// The source's agent alone knows whether the grant is out. It thaws, or answers that it may not.
function abortSource({ status }: Migration, failure: Failure): Effect[] {
  const news = goingBack(failure)
  if (!status.moveStartedAt || !status.sourceNode) return [news]
  return [{ kind: 'abort', nodeName: status.sourceNode, reason: `${failure.code}: ${failure.message}` }, news]
}

/** What an agent says about its own failure, source first: it is the one that decides. */
export function failureOf(observed: Observed): Failure | undefined {
  for (const answer of [observed.source, observed.destination]) {
    if (isRecord(answer) && answer.state === 'aborted') {
      return answer.failure ?? { code: 'Aborted', message: `the ${answer.role}'s agent gave up without a reason` }
    }
  }
  return undefined
}
