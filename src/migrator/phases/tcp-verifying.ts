// TCPVerifying: what the agents proved while the traffic was held becomes the aggregate condition.
import type { PodMigrationStatus } from '../../api/pod-migration.ts'
import { type ConditionVerdict, intend, setCondition } from '../conditions.ts'
import { type Decision, enter } from '../decision.ts'
import type { Instant, Migration, Observed } from '../observed.ts'
import { recordIntoStatus, tcpConditions } from '../records.ts'
import { tellSourceCommitted } from './tell-source.ts'

export function tcpVerifying(migration: Migration, observed: Observed, nowMs: Instant): Decision {
  const status = tcpConditions(recordIntoStatus(migration.status, observed), nowMs)
  const verified = setCondition(status, aggregate(status, migration.spec.tcpPreservationMode), nowMs)
  return enter(
    'ServiceVerifying',
    intend({ ...verified, message: 'waiting until the pod is Ready' }, 'ServiceVerified', 'the pod is about to be asked', nowMs),
    tellSourceCommitted(status, observed),
  )
}

function aggregate({ connections, sequenceDelta }: PodMigrationStatus, mode: Migration['spec']['tcpPreservationMode']): ConditionVerdict {
  if (!connections && sequenceDelta === undefined) {
    const message = mode === 'None' ? 'spec.tcpPreservationMode is None' : 'the agents reported no numbers'
    return { type: 'TCPVerified', status: 'Unknown', reason: mode === 'None' ? 'NotAsked' : 'NotReported', message }
  }
  const lost = connections?.lost ?? 0
  const delta = sequenceDelta ?? 0
  const good = lost === 0 && delta === 0
  const message = `${connections?.destination ?? 0} connections live, ${lost} lost, sequence difference ${delta}`
  return { type: 'TCPVerified', status: good ? 'True' : 'False', reason: good ? 'Verified' : 'Different', message }
}
