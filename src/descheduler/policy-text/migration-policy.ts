// A MigrationPolicy from text, with the rules of its strategies, its windows and its schedule.
// oxlint-disable-next-line no-restricted-imports -- only its check of expressions, which is pure
import cron from 'node-cron'
import { z } from 'zod'
import { type MigrationPolicy, MigrationPolicySpec, PolicyStrategy } from '../../api/migration-policy.ts'
import { apiVersion } from '../../api/names.ts'
import { blackoutProblems } from '../blackout.ts'
import { listOf, recordOf } from '../stock/argument-rules.ts'
import { argumentsKey, strategies } from '../strategies/index.ts'
import { type Problem, problemsOf } from './problems.ts'

const Text = z.strictObject({
  apiVersion: z.literal(apiVersion),
  kind: z.literal('MigrationPolicy'),
  metadata: z.looseObject({ name: z.string(), uid: z.string().optional() }),
  spec: MigrationPolicySpec.strict(),
  status: z.unknown().optional(),
})

export function parseMigrationPolicy(value: unknown): { policy: MigrationPolicy } | { problems: Problem[] } {
  const parsed = Text.safeParse(value)
  const problems = parsed.success ? [] : problemsOf(parsed.error.issues, value)
  const spec = recordOf(recordOf(value).spec)
  problems.push(...strategyProblems(spec, value, problems), ...windowProblems(spec), ...scheduleProblems(spec))
  if (!parsed.success || problems.length > 0) return { problems }
  const { name, uid } = parsed.data.metadata
  return { policy: { metadata: { name, ...(uid === undefined ? {} : { uid }) }, spec: parsed.data.spec } }
}

/** Rules that the schema of the API cannot say; what it has said already is not said twice. */
function strategyProblems(spec: Readonly<Record<string, unknown>>, root: unknown, told: readonly Problem[]): Problem[] {
  const known = new Set(told.map(({ path }) => path.join('/')))
  return listOf(spec.strategies).flatMap((wish, index) => {
    const name = PolicyStrategy.shape.name.safeParse(recordOf(wish).name).data
    if (!name) return []
    const key = argumentsKey(name)
    const parsed = strategies[name].schema.safeParse(recordOf(wish)[key] ?? {})
    if (parsed.success) return []
    return problemsOf(parsed.error.issues, root, ['spec', 'strategies', index, key]).filter(({ path }) => !known.has(path.join('/')))
  })
}

function windowProblems(spec: Readonly<Record<string, unknown>>): Problem[] {
  return listOf(spec.blackoutWindows).flatMap((window, index) => {
    const { start, end, timeZone = 'UTC' } = recordOf(window)
    if (![start, end, timeZone].every((one) => typeof one === 'string')) return []
    const problems = blackoutProblems({ start: String(start), end: String(end), timeZone: String(timeZone) })
    return problems.map(({ field, message }) => ({ path: ['spec', 'blackoutWindows', index, field], message }))
  })
}

function scheduleProblems({ schedule }: Readonly<Record<string, unknown>>): Problem[] {
  if (typeof schedule !== 'string' || cron.validate(schedule)) return []
  return [{ path: ['spec', 'schedule'], message: `expected a cron expression of 5 or 6 fields, got "${schedule}"` }]
}
