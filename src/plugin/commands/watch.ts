// watch [NAME|POD]: live progress; of one migration to its end, of all until interrupted.
import type { PodMigration } from '../../api/pod-migration.ts'
import { findMigration, listMigrations } from '../find-migration.ts'
import { describeProgress, followToEnd } from '../follow.ts'
import type { Invocation } from '../invocation.ts'

const lookEveryMs = 500

export async function watch(invocation: Invocation): Promise<number> {
  const { terminal } = invocation
  if (invocation.name === undefined) return watchAll(invocation)
  const telling: Invocation = { ...invocation, terminal: { ...terminal, err: terminal.out } }
  await followToEnd(telling, await findMigration(invocation))
  return 0
}

async function watchAll(invocation: Invocation): Promise<number> {
  const { terminal } = invocation
  const told = new Map<string, string>()
  while (!terminal.interrupted.aborted) {
    for (const migration of await listMigrations(invocation)) tellOnce(migration, told, invocation)
    await terminal.clock.sleep(lookEveryMs, terminal.interrupted)
  }
  return 0
}

function tellOnce(migration: PodMigration, told: Map<string, string>, { terminal, options }: Invocation): void {
  const line = `${options.allNamespaces ? `${migration.metadata.namespace}/` : ''}${describeProgress(migration)}`
  const uid = migration.metadata.uid ?? migration.metadata.name
  if (told.get(uid) !== line) terminal.out(`${line}\n`)
  told.set(uid, line)
}
