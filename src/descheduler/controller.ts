// The descheduler of the leading replica: runs every MigrationPolicy on its schedule, and takes drains' wishes back on uncordon.
import type { MigrationPolicy } from '../api/migration-policy.ts'
import type { ControllerDeps } from '../controller-deps.ts'
import { podRefusals } from '../migrator/validation.ts'
import { log } from '../runtime/log.ts'
import { startUncordon } from './drain/uncordon.ts'
import { Namespaces } from './namespaces.ts'
import { type RefusalsOf, runPolicy, tell, writeStatus } from './run-policy.ts'
import { Timetable } from './timetable.ts'

const refusalsOf: RefusalsOf = (pod, freezeWindowBudgetMs) =>
  podRefusals(pod, freezeWindowBudgetMs === undefined ? {} : { freezeWindowBudgetMs })

/** Leader only; resolves when the signal aborts, with every timer gone. */
export async function startDescheduler(deps: ControllerDeps, signal: AbortSignal): Promise<void> {
  const namespaces = new Namespaces(deps.client, deps.clock)
  const timetable = new Timetable(async (name) => {
    if (signal.aborted) return
    try {
      await runPolicy(deps, namespaces, refusalsOf, name)
    } catch (error) {
      log.error({ err: error, policy: name }, 'policy did not run')
    }
  })
  deps.caches.policies.onChange(({ type, object }) => {
    if (signal.aborted) return
    if (type === 'deleted') timetable.delete(object.metadata.name)
    else enter(deps, timetable, object)
  })
  for (const policy of deps.caches.policies.list()) enter(deps, timetable, policy)
  await startUncordon(deps, signal)
  timetable.clear()
}

function enter(deps: ControllerDeps, timetable: Timetable, policy: MigrationPolicy): void {
  const { name } = policy.metadata
  const { schedule } = policy.spec
  if (timetable.set(name, schedule)) return
  const message = `spec.schedule: "${schedule}" is no cron expression: expected 5 or 6 fields, like "*/2 * * * *"; the policy does not run`
  // Written only when it is news: writing it is itself a change of the policy.
  if (policy.status?.lastResult === message) return
  log.warn({ policy: name, schedule }, 'policy has a schedule that cannot be read')
  void writeStatus(deps, name, { lastResult: message })
  void tell(deps, policy, 'Warning', 'WrongSchedule', message)
}
