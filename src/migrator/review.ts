// Judges a PodMigration before it is stored: all problems at once, each with field, value and remedy.
import type { V1Pod } from '@kubernetes/client-node'
import type { z } from 'zod'
import { isTerminal } from '../api/phases.ts'
import { type PodMigration, PodMigrationSpec, type Refusal } from '../api/pod-migration.ts'
import { alreadyMovingRefusals, identityRefusals, specRefusals } from './spec-validation.ts'
import { podRefusals } from './validation.ts'

export interface ReviewView {
  /** undefined: the caches are not filled yet, the Validating phase will look. */
  findPod: ((namespace: string, name: string) => V1Pod | undefined) | undefined
  migrations: readonly PodMigration[]
}

export type Verdict = { allowed: true } | { allowed: false; message: string }

export function reviewCreate(object: unknown, view: ReviewView): Verdict {
  const { metadata, spec: rawSpec } = object as { metadata: PodMigration['metadata']; spec: unknown }
  const parsed = PodMigrationSpec.safeParse(rawSpec)
  if (!parsed.success)
    return refuse(
      metadata,
      parsed.error.issues.map((issue) => describeIssue(issue, rawSpec)),
    )
  const migration: PodMigration = { ...(object as PodMigration), spec: parsed.data }
  return refuse(metadata, [...specRefusals(migration), ...podReasons(migration, view)].map(describeRefusal))
}

/** The wish may still be edited where the API allows it; what is written stays well-formed. Deletion is never in the way. */
export function reviewUpdate(object: unknown, oldObject: unknown): Verdict {
  const { metadata, spec } = object as PodMigration
  const old = oldObject as PodMigration | null
  if (metadata.deletionTimestamp || JSON.stringify(spec) === JSON.stringify(old?.spec)) return { allowed: true }
  if (isTerminal(old?.status?.phase))
    return refuse(metadata, [
      `spec: the PodMigration has ended (${old?.status?.phase}), nobody reads it any more: create another one instead`,
    ])
  const parsed = PodMigrationSpec.safeParse(spec)
  return parsed.success
    ? { allowed: true }
    : refuse(
        metadata,
        parsed.error.issues.map((issue) => describeIssue(issue, spec)),
      )
}

// A dry run is made to be told the reasons in its status; only a wish that names no pod is turned away.
function podReasons(migration: PodMigration, { findPod, migrations }: ReviewView): Refusal[] {
  if (!findPod) return []
  const { spec } = migration
  const pod = findPod(spec.podNamespace, spec.podName)
  const identity = identityRefusals(migration, pod)
  if (!pod || spec.dryRun) return identity
  const budget = spec.mode === 'Cold' ? {} : { freezeWindowBudgetMs: spec.freezeWindowBudgetMs, postCopy: spec.mode === 'PostCopy' }
  return [...identity, ...podRefusals(pod, budget), ...alreadyMovingRefusals(migration, pod, migrations)]
}

function refuse({ namespace, name, generateName }: PodMigration['metadata'] & { generateName?: unknown }, problems: string[]): Verdict {
  if (problems.length === 0) return { allowed: true }
  const who = `${namespace ?? ''}/${name ?? `${String(generateName ?? '')}*`}`
  return { allowed: false, message: `PodMigration ${who} is refused, the pod is untouched: ${problems.join(' · ')}` }
}

function describeIssue(issue: z.core.$ZodIssue, spec: unknown): string {
  const value = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], spec)
  return `spec.${issue.path.map(String).join('.')}: ${issue.message}, got ${JSON.stringify(value) ?? 'nothing'}: see kubectl explain podmigration.spec`
}

function describeRefusal({ code, message, remedy }: Refusal): string {
  return `${code}: ${message}${remedy ? `: ${remedy}` : ''}`
}
