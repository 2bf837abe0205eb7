// list: all migrations, oldest first.
import { listMigrations } from '../find-migration.ts'
import type { Invocation } from '../invocation.ts'
import { forPrograms, migrationTable } from '../output.ts'

export async function list(invocation: Invocation): Promise<number> {
  const { terminal, namespace, options } = invocation
  const migrations = await listMigrations(invocation)
  const where = options.allNamespaces ? 'any namespace' : `${namespace} namespace`
  const shown = migrations.length === 0 ? `No migrations found in ${where}.\n` : migrationTable(migrations, invocation)
  terminal.out(forPrograms(migrations, options.output, false) ?? shown)
  return 0
}
