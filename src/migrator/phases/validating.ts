// Validating: every reason against the move is collected before anything happens; a dry run ends here.
import type { V1Pod } from '@kubernetes/client-node'
import type { PodMigrationStatus, Refusal } from '../../api/pod-migration.ts'
import { eligibilityRefusals, freshnessRefusal } from '../../extender/compatibility.ts'
import { intend, isoTime } from '../conditions.ts'
import { type Decision, end, enter, stay } from '../decision.ts'
import { budgetRefusals, estimateMove } from '../estimate.ts'
import { inventoryRefusals } from '../inventory.ts'
import { capacityOf, type Instant, type Migration, type Observed } from '../observed.ts'
import { postCopyRefusals } from '../post-copy.ts'
import { chooseDestination } from '../reservation.ts'
import { alreadyMovingRefusals, identityRefusals, policyRefusals, specRefusals } from '../spec-validation.ts'
import { podRefusals } from '../validation.ts'
import { refuse } from './refuse.ts'
import { silentFor } from './silence.ts'

export function validating(migration: Migration, observed: Observed, nowMs: Instant): Decision {
  const { spec } = migration
  const status = identified(migration, observed.sourcePod)
  if (spec.dryRun && observed.inventory === 'unreachable' && !silentFor(status.startedAt, nowMs)) {
    return stay({ ...status, message: `waiting for the agent on ${status.sourceNode}` })
  }
  const refusals = allRefusals(migration, observed, nowMs)
  if (refusals.length > 0) return refuse(withEstimate(status, observed, spec), refusals, nowMs)
  if (spec.dryRun) return dryRunComplete(withEstimate(status, observed, spec), observed, migration, nowMs)
  return enter(
    'SocketInventory',
    intend({ ...status, message: 'counting sockets and memory' }, 'SocketInventoryComplete', 'the agent is asked', nowMs),
  )
}

function identified({ status }: Migration, pod: V1Pod | undefined): PodMigrationStatus {
  if (!pod) return status
  return {
    ...status,
    ...(pod.metadata?.name ? { sourcePodName: pod.metadata.name } : {}),
    ...(pod.metadata?.uid ? { sourcePodUID: pod.metadata.uid } : {}),
    ...(pod.spec?.nodeName ? { sourceNode: pod.spec.nodeName } : {}),
    ...(pod.status?.podIP ? { podIP: pod.status.podIP } : {}),
  }
}

function allRefusals(migration: Migration, observed: Observed, nowMs: Instant): Refusal[] {
  const { spec } = migration
  const pod = observed.sourcePod
  const identity = [...specRefusals(migration), ...policyRefusals(migration, observed.policyExists), ...identityRefusals(migration, pod)]
  if (!pod) return identity
  const freeze = spec.mode === 'Cold' ? {} : { freezeWindowBudgetMs: spec.freezeWindowBudgetMs, postCopy: spec.mode === 'PostCopy' }
  const refusals = [
    ...identity,
    ...podRefusals(pod, { ...freeze, ...(observed.claims ? { claims: observed.claims } : {}) }),
    ...alreadyMovingRefusals(migration, pod, observed.migrations),
    ...observed.quotaRefusals,
    ...sourceNodeRefusals(migration, pod, observed, nowMs),
    ...inventoryReasons(migration, observed),
  ]
  return refusals.some(({ code }) => code === 'WrongRuntimeClass' || code === 'WrongUid')
    ? refusals
    : [...refusals, ...destinationRefusals(migration, observed)]
}

function sourceNodeRefusals({ spec }: Migration, pod: V1Pod, observed: Observed, nowMs: Instant): Refusal[] {
  const { nodeName } = pod.spec ?? {}
  if (!nodeName) return []
  const capacity = capacityOf(observed, nodeName)
  const stale = freshnessRefusal(capacity, nowMs)
  const reasons = [...eligibilityRefusals(capacity), ...(stale ? [stale] : [])]
  return [
    ...reasons.map((reason) => ({ ...reason, message: `source node ${nodeName}: ${reason.message}` })),
    ...postCopyRefusals(spec, 'source', nodeName, capacity),
  ]
}

/** Only a dry run has asked already; a real move asks in its own phase. */
function inventoryReasons({ spec }: Migration, { inventory, inventoryProblem }: Observed): Refusal[] {
  if (!spec.dryRun || inventory === 'unasked') return []
  if (inventory === 'unreachable')
    return [
      {
        code: 'AgentUnreachable',
        message: `the agent of the source node did not answer${inventoryProblem ? ` (${inventoryProblem})` : ''}`,
        remedy: 'check the agent pod there',
      },
    ]
  return [...inventoryRefusals(inventory, spec), ...budgetRefusals(inventory, spec)]
}

function destinationRefusals(migration: Migration, observed: Observed): Refusal[] {
  return chooseDestination(migration, observed).refusals
}

function withEstimate(status: PodMigrationStatus, { inventory, migrations }: Observed, spec: Migration['spec']): PodMigrationStatus {
  return typeof inventory === 'object' ? { ...status, estimate: estimateMove(inventory, spec, migrations) } : status
}

function dryRunComplete(status: PodMigrationStatus, observed: Observed, migration: Migration, nowMs: Instant): Decision {
  const nodeName = chooseDestination(migration, observed).node?.nodeName
  const freezeMs = status.estimate?.freezeMs
  return end(
    'DryRunComplete',
    {
      ...status,
      ...(nodeName ? { destinationNode: nodeName } : {}),
      message: `can be moved to ${nodeName}${freezeMs === undefined ? '' : `, with a freeze of about ${freezeMs} ms`}; nothing was done`,
      nextStep: 'create it again without dryRun',
    },
    isoTime(nowMs),
  )
}
