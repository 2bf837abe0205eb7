// The descheduler of the leading replica: runs every MigrationPolicy on its schedule, and takes drains' wishes back on uncordon.
import type { MigrationPolicy } from '../api/migration-policy.ts'
import type { ControllerDeps } from '../controller-deps.ts'
import { podRefusals } from '../migrator/validation.ts'
import { messageOf } from '../runtime/errors.ts'
import { log } from '../runtime/log.ts'
import { blackoutProblems } from './blackout.ts'
import { startUncordon } from './drain/uncordon.ts'
import { Namespaces } from './namespaces.ts'
import { type DeschedulerOptions, deschedulerOptions } from './options.ts'
import { readPolicyFile } from './policy-file.ts'
import { type RefusalsOf, runPolicy, tell, writeStatus } from './run-policy.ts'
import { runStockPolicyOnce } from './run-stock-policy.ts'
import { Timetable } from './timetable.ts'

const noOptions = deschedulerOptions([])

export const refusalsOf: RefusalsOf = (pod, freezeWindowBudgetMs) =>
  podRefusals(pod, freezeWindowBudgetMs === undefined ? {} : { freezeWindowBudgetMs })

/** Leader only; resolves when the signal aborts, with every timer gone. */
export async function startDescheduler(deps: ControllerDeps, signal: AbortSignal, options: DeschedulerOptions = noOptions): Promise<void> {
  const namespaces = new Namespaces(deps.client, deps.clock)
  const run = async (name: string): Promise<void> => {
    if (signal.aborted) return
    try {
      await runPolicy(deps, namespaces, refusalsOf, name, options.dryRun)
    } catch (error) {
      log.error({ err: error, policy: name }, 'policy did not run')
    }
  }
  const timetable = new Timetable(run)
  deps.caches.policies.onChange(({ type, object }) => {
    if (signal.aborted) return
    if (type === 'deleted') timetable.delete(object.metadata.name)
    else enter(deps, timetable, object)
  })
  for (const policy of deps.caches.policies.list()) {
    enter(deps, timetable, policy)
    // One run, however many were missed while nobody led.
    const lastRunMs = Date.parse(policy.status?.lastRunAt ?? '')
    if (timetable.hasMissed(policy.metadata.name, lastRunMs)) void run(policy.metadata.name)
  }
  await Promise.all([startUncordon(deps, signal), followPolicyFile(deps, options, signal)])
  timetable.clear()
}

/** The file is read again each time: it may be a ConfigMap that was changed. A wrong one is told, and tried again. */
async function followPolicyFile(
  deps: ControllerDeps,
  { policyFile, intervalMs, dryRun }: DeschedulerOptions,
  signal: AbortSignal,
): Promise<void> {
  while (policyFile !== undefined && !signal.aborted) {
    try {
      await runStockPolicyOnce(deps, await readPolicyFile(policyFile), refusalsOf, dryRun)
    } catch (error) {
      log.error({ error: messageOf(error), policy: policyFile }, 'policy file did not run')
    }
    await deps.clock.sleep(intervalMs, signal)
  }
}

function wrongWindows({ spec }: MigrationPolicy): string[] {
  return (spec.blackoutWindows ?? []).flatMap((window, index) =>
    blackoutProblems(window).map(({ field, message }) => `spec.blackoutWindows[${index}].${field}: ${message}`),
  )
}

function enter(deps: ControllerDeps, timetable: Timetable, policy: MigrationPolicy): void {
  const { name } = policy.metadata
  const { schedule } = policy.spec
  if (timetable.set(name, schedule)) return
  const wrong = [`spec.schedule: "${schedule}" is no cron expression: expected 5 or 6 fields, like "*/2 * * * *"`, ...wrongWindows(policy)]
  const message = `${wrong.join('; ')}; the policy does not run`
  // Written only when it is news: writing it is itself a change of the policy.
  if (policy.status?.lastResult === message) return
  log.warn({ policy: name, schedule }, 'policy has a schedule that cannot be read')
  void writeStatus(deps, name, { lastResult: message })
  void tell(deps, policy, 'Warning', 'WrongSchedule', message)
}
