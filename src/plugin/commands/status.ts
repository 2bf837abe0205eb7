// status [NAME|POD]: one migration in a line, or all that are not over.
import { isTerminal } from '../../api/phases.ts'
import { findMigration, listMigrations } from '../find-migration.ts'
import type { Invocation } from '../invocation.ts'
import { forPrograms, migrationTable } from '../output.ts'

export async function status(invocation: Invocation): Promise<number> {
  const { terminal, name, options } = invocation
  if (name === undefined) {
    const open = (await listMigrations(invocation)).filter((migration) => !isTerminal(migration.status?.phase))
    const shown = open.length === 0 ? 'nothing is moving\n' : migrationTable(open, invocation)
    terminal.out(forPrograms(open, options.output, false) ?? shown)
    return 0
  }
  const migration = await findMigration(invocation)
  const { message, nextStep } = migration.status ?? {}
  const words = [message, nextStep && `next: ${nextStep}`].filter(Boolean).map((text) => `${text}\n`)
  terminal.out(forPrograms([migration], options.output, true) ?? `${migrationTable([migration], invocation)}${words.join('')}`)
  return 0
}
