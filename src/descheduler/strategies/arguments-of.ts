// The arguments that a MigrationPolicy gives a strategy, checked by the strategy's own schema.
import type { PolicyStrategy } from '../../api/migration-policy.ts'
import { strategies } from './index.ts'

type ArgumentsKey = Exclude<keyof PolicyStrategy, 'name'>

/** Left out arguments are the same as empty ones. */
export function argumentsOf(wish: PolicyStrategy): { data: unknown } | { problems: string[] } {
  const key = argumentsKey(wish.name)
  const parsed = strategies[wish.name].schema.safeParse(wish[key] ?? {})
  if (parsed.success) return { data: parsed.data }
  return { problems: parsed.error.issues.map(({ path, message }) => `${[key, ...path].join('.')}: ${message}`) }
}

function argumentsKey(name: PolicyStrategy['name']): ArgumentsKey {
  return `${name.charAt(0).toLowerCase()}${name.slice(1)}` as ArgumentsKey
}
