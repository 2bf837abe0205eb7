// The arguments that a MigrationPolicy gives a strategy, checked by the strategy's own schema.
import type { PolicyStrategy } from '../../api/migration-policy.ts'
import { argumentsKey, strategies } from './index.ts'

/** Left out arguments are the same as empty ones. */
export function argumentsOf(wish: PolicyStrategy): { data: unknown } | { problems: string[] } {
  const key = argumentsKey(wish.name)
  const parsed = strategies[wish.name].schema.safeParse(wish[key] ?? {})
  if (parsed.success) return { data: parsed.data }
  return { problems: parsed.error.issues.map(({ path, message }) => `${[key, ...path].join('.')}: ${message}`) }
}
