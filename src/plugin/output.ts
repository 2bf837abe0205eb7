// How objects are shown: kubectl's columns, or json, yaml and names for programs.
import { stringify } from 'yaml'
import { apiVersion } from '../api/names.ts'
import type { PodMigration } from '../api/pod-migration.ts'
import type { Invocation } from './invocation.ts'

export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows]
  const widths = header.map((_title, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)))
  return lines
    .map(
      (line) =>
        `${line
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('   ')
          .trimEnd()}\n`,
    )
    .join('')
}

/** Undefined: the caller shows it for people. */
export function forPrograms(objects: readonly PodMigration[], format: string | undefined, single: boolean): string | undefined {
  if (format === 'name') return objects.map(({ metadata }) => `podmigration.podmotion.io/${metadata.name}\n`).join('')
  return structured(single && objects[0] ? objects[0] : { apiVersion, kind: 'PodMigrationList', items: objects }, format)
}

/** Without managedFields, like kubectl. */
export function structured(value: unknown, format: string | undefined): string | undefined {
  const json = JSON.stringify(value, (key, part) => (key === 'managedFields' ? undefined : part), 2)
  if (format === 'json') return `${json}\n`
  return format === 'yaml' ? stringify(JSON.parse(json)) : undefined
}

export function migrationTable(migrations: readonly PodMigration[], { options, terminal }: Invocation): string {
  const wide = options.output === 'wide'
  const header = [
    ...(options.allNamespaces ? ['NAMESPACE'] : []),
    'NAME',
    'PHASE',
    'POD',
    'FROM',
    'TO',
    'FREEZE',
    'AGE',
    ...(wide ? ['MESSAGE'] : []),
  ]
  const rows = migrations.map((migration) => {
    const { metadata, spec, status } = migration
    const freezeMs = status?.freeze?.freezeMs
    return [
      ...(options.allNamespaces ? [metadata.namespace ?? ''] : []),
      metadata.name,
      status?.phase ?? 'Pending',
      spec.podName,
      status?.sourceNode ?? '',
      status?.destinationNode ?? spec.targetNodeName ?? '',
      freezeMs === undefined ? '' : `${Math.round(freezeMs)}ms`,
      age(metadata.creationTimestamp, terminal.clock.nowMs()),
      ...(wide ? [status?.message ?? ''] : []),
    ]
  })
  return table(header, rows)
}

/** As kubectl shows it: the largest unit that is not nothing. */
function age(since: string | undefined, nowMs: number): string {
  if (!since) return ''
  const seconds = Math.max(0, Math.floor((nowMs - Date.parse(since)) / 1000))
  if (seconds < 120) return `${seconds}s`
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`
}
