// migrate POD: creates the PodMigration; with --wait (or --dry-run) stays until its end.
import { apiVersion } from '../../api/names.ts'
import { isTerminal } from '../../api/phases.ts'
import type { PodMigration, PodMigrationSpec } from '../../api/pod-migration.ts'
import { podMigrationPath } from '../../kube/paths.ts'
import { describeProgress, followToEnd } from '../follow.ts'
import type { Invocation } from '../invocation.ts'
import { forPrograms } from '../output.ts'

// The API server adds five characters; together they stay a name.
const longestBase = 57

export async function migrate(invocation: Invocation): Promise<number> {
  const { terminal, options } = invocation
  const created = await createMigration(invocation, options.dryRun ?? false)
  if (!options.wait && !options.dryRun) {
    terminal.out(forPrograms([created], options.output, true) ?? `podmigration.podmotion.io/${created.metadata.name} created\n`)
    return 0
  }
  const ended = await followToEnd(invocation, created, waitMs(invocation))
  if (!isTerminal(ended.status?.phase)) terminal.err(`it goes on without us: see kubectl podmotion status ${ended.metadata.name}\n`)
  terminal.out(forPrograms([ended], options.output, true) ?? `${describeProgress(ended)}\n`)
  return ended.status?.phase === 'Complete' || ended.status?.phase === 'DryRunComplete' ? 0 : 1
}

// A move gives up by itself at its timeout; the way back needs a moment more.
const wayBackMs = 30_000

function waitMs({ options }: Invocation): number {
  return options.timeout === undefined ? Number.POSITIVE_INFINITY : options.timeout * 1000 + wayBackMs
}

export async function createMigration(invocation: Invocation, dryRun: boolean): Promise<PodMigration> {
  const { client, namespace, name = '' } = invocation
  const body = {
    apiVersion,
    kind: 'PodMigration' as const,
    metadata: { generateName: `${name.slice(0, longestBase)}-`, namespace },
    spec: specOf(invocation, dryRun),
  }
  return client.create(podMigrationPath(namespace), body as unknown as PodMigration)
}

function specOf({ options, namespace, name = '' }: Invocation, dryRun: boolean): Partial<PodMigrationSpec> {
  return {
    podName: name,
    podNamespace: namespace,
    mode: options.strategy ?? 'PreCopy',
    tcpPreservationMode: options.networkContinuity === false ? 'None' : 'Strict',
    ...(dryRun ? { dryRun } : {}),
    ...(options.onNonConvergence ? { onNonConvergence: options.onNonConvergence } : {}),
    ...(options.toNode ? { targetNodeName: options.toNode } : {}),
    ...(options.bandwidthMbps === undefined ? {} : { bandwidthLimitMbps: options.bandwidthMbps }),
    ...(options.freezeBudgetMs === undefined ? {} : { freezeWindowBudgetMs: options.freezeBudgetMs }),
    ...(options.timeout === undefined ? {} : { completionTimeoutSeconds: options.timeout }),
  }
}
