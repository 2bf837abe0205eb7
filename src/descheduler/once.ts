// --once: every policy runs one time, now, whatever its schedule; what came of it is written to standard output.
import { startCaches } from '../controller-caches.ts'
import type { ControllerDeps } from '../controller-deps.ts'
import { refusalsOf } from './controller.ts'
import { Namespaces } from './namespaces.ts'
import type { DeschedulerOptions } from './options.ts'
import { readPolicyFile } from './policy-file.ts'
import { runPolicy } from './run-policy.ts'
import { runStockPolicyOnce, type StockOutcome } from './run-stock-policy.ts'

export async function descheduleOnce(
  deps: ControllerDeps,
  { policyFile, dryRun }: DeschedulerOptions,
  signal: AbortSignal,
  write: (text: string) => void,
): Promise<void> {
  const file = policyFile === undefined ? undefined : await readPolicyFile(policyFile)
  // The watches end with the run, or the program would not.
  const over = new AbortController()
  try {
    await startCaches(deps.caches, AbortSignal.any([signal, over.signal]))
    await runAll(deps, file, dryRun, write)
  } finally {
    over.abort()
  }
}

type PolicyFile = Awaited<ReturnType<typeof readPolicyFile>>

async function runAll(deps: ControllerDeps, file: PolicyFile | undefined, dryRun: boolean, write: (text: string) => void): Promise<void> {
  if (file) write(describeStock(await runStockPolicyOnce(deps, file, refusalsOf, dryRun)))
  const namespaces = new Namespaces(deps.client, deps.clock)
  for (const { metadata } of deps.caches.policies.list()) {
    const cycle = await runPolicy(deps, namespaces, refusalsOf, metadata.name, dryRun)
    if (cycle) write(`${metadata.name}: ${cycle.result}\n`)
  }
}

function describeStock({ actions, notes, started }: StockOutcome): string {
  const lines = actions.map(({ victim, action }) => {
    const { namespace, name } = victim.pod.metadata ?? {}
    const to = action === 'Move' ? ` to ${victim.destination}` : ''
    return `${action} ${namespace}/${name} from ${victim.pod.spec?.nodeName}${to}: ${victim.strategy}: ${victim.reason}`
  })
  return [...lines, ...notes, `${actions.length} pods chosen, ${started} begun`].map((line) => `${line}\n`).join('')
}
