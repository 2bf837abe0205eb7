// The outcome of a policy as a table for people.
import { table } from '../plugin/output.ts'
import type { Descheduling } from './deschedule-snapshot.ts'

export function describeDescheduling({ victims, notes }: Descheduling): string {
  const header = ['NAMESPACE', 'POD', 'NODE', 'DESTINATION', 'STRATEGY', 'REASON']
  const rows = victims.map(({ namespace, name, node, destination, noDestination, strategy, reason }) => [
    namespace,
    name,
    node,
    destination ?? `none: ${noDestination ?? 'not asked'}`,
    strategy,
    reason,
  ])
  const summary = victims.length === 1 ? '1 pod would move' : `${victims.length} pods would move`
  return [...(rows.length > 0 ? [table(header, rows)] : []), `${summary}\n`, ...notes.map((note) => `${note}\n`)].join('')
}
