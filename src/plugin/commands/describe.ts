// describe NAME|POD: everything that happened to a migration, for people.
import type { PodMigration, PodMigrationStatus } from '../../api/pod-migration.ts'
import { findMigration } from '../find-migration.ts'
import { freezeBars } from '../freeze-bars.ts'
import type { Invocation } from '../invocation.ts'
import { forPrograms, table } from '../output.ts'

export async function describe(invocation: Invocation): Promise<number> {
  const migration = await findMigration(invocation)
  invocation.terminal.out(forPrograms([migration], invocation.options.output, true) ?? describeMigration(migration))
  return 0
}

function describeMigration({ metadata, spec, status = {} }: PodMigration): string {
  const facts: [string, string | undefined][] = [
    ['Name', metadata.name],
    ['Namespace', metadata.namespace],
    ['Phase', status.phase ?? 'Pending'],
    ['Message', status.message],
    ['Next step', status.nextStep],
    ['Pod', place(status.sourcePodName ?? spec.podName, status.sourceNode)],
    ['Destination', place(status.destinationPodName, status.destinationNode ?? spec.targetNodeName)],
    ['Mode', `${spec.mode}${status.mode ? `, became ${status.mode}` : ''}, TCP ${spec.tcpPreservationMode}`],
    ['Started', status.startedAt],
    ['Committed', status.committedAt],
    ['Completed', status.completedAt],
    ['Freeze', milliseconds(status.freeze?.freezeMs)],
    ['Hold', milliseconds(status.freeze?.holdMs)],
    ['Estimate', status.estimate && `${status.estimate.memoryMB} MB, about ${status.estimate.freezeMs} ms`],
    ['Bytes moved', status.bytesMoved?.toLocaleString('en')],
    ['Connections', connections(status)],
    ['Pre-copy', status.preCopy && `${status.preCopy.rounds.length} rounds${status.preCopy.reason ? ` (${status.preCopy.reason})` : ''}`],
    ['Convergence', status.preCopy?.nonConvergence?.message],
    [
      'Post-copy',
      status.postCopy && `${status.postCopy.stayedMB} MB stayed at the source, ${status.postCopy.atSourceMB} MB are still there`,
    ],
    ['Checkpoint', checkpoint(status)],
    ['Failure', status.failure && `${status.failure.code} in ${status.failure.phase ?? 'Pending'}: ${status.failure.message}`],
  ]
  const known = facts.flatMap(([name, value]) => (value ? [`${`${name}:`.padEnd(14)}${value}\n`] : []))
  return [...known, refusals(status), warnings(status), conditions(status), freezeBars(status), timeline(status)].join('')
}

function place(pod: string | undefined, node: string | undefined): string | undefined {
  if (!pod && !node) return undefined
  return `${pod ?? '?'}${node ? ` on ${node}` : ''}`
}

function milliseconds(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : `${ms} ms`
}

function connections({ connections: counted, sequenceDelta }: PodMigrationStatus): string | undefined {
  if (!counted) return undefined
  return `${counted.destination} of ${counted.source} kept, ${counted.lost} lost, sequence difference ${sequenceDelta ?? 'unknown'}`
}

/** Of mode Cold: which object tells of its images, or why there is none. */
function checkpoint({ committedAt, conditions: all }: PodMigrationStatus): string | undefined {
  return committedAt && all?.find(({ type }) => type === 'CheckpointKept')?.message
}

function refusals({ refusals: reasons }: PodMigrationStatus): string {
  if (!reasons?.length) return ''
  return `Reasons:\n${reasons.map(({ code, message, remedy }) => `  ${code}: ${message}${remedy ? ` (${remedy})` : ''}\n`).join('')}`
}

function warnings({ warnings: all }: PodMigrationStatus): string {
  if (!all?.length) return ''
  return `Warnings:\n${all.map((warning) => `  ${warning}\n`).join('')}`
}

function conditions({ conditions: all }: PodMigrationStatus): string {
  if (!all?.length) return ''
  const rows = all.map(({ type, status, reason, lastTransitionTime, message }) => [
    `  ${type}`,
    status,
    reason,
    lastTransitionTime,
    message ?? '',
  ])
  return `Conditions:\n${table(['  TYPE', 'STATUS', 'REASON', 'SINCE', 'MESSAGE'], rows)}`
}

function timeline({ timeline: steps }: PodMigrationStatus): string {
  if (!steps?.length) return ''
  const startMs = Date.parse(steps[0]?.at ?? '')
  const rows = steps.map(({ step, at, node }) => [`  ${step}`, `+${Date.parse(at) - startMs} ms`, node ?? ''])
  return `Timeline:\n${table(['  STEP', 'AT', 'NODE'], rows)}`
}
