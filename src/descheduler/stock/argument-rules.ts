// Rules over several arguments, asked even when single arguments are wrong too: a user wants to read all problems at once.
import type { z } from 'zod'

export type Path = (string | number)[]
export type Add = (path: Path, message: string) => void
/** The value may be anything: what is of the wrong type has been said already. */
export type Rule = (value: Readonly<Record<string, unknown>>, add: Add) => void

export function withRules<S extends z.ZodType>(schema: S, ...rules: readonly Rule[]): S {
  return schema.superRefine(
    (value, context) => {
      const add: Add = (path, message) => void context.addIssue({ code: 'custom', path, message })
      for (const rule of rules) rule(recordOf(value), add)
    },
    { when: () => true },
  )
}

export function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

export const namespacesRule: Rule = ({ namespaces }, add) => eitherOr(namespaces, ['namespaces'], add)

export const ownerKindsRule: Rule = ({ ownerKinds }, add) => eitherOr(ownerKinds, ['ownerKinds'], add)

function eitherOr(value: unknown, path: Path, add: Add): void {
  const { include, exclude } = recordOf(value)
  if (listOf(include).length > 0 && listOf(exclude).length > 0)
    add(path, `expected either include or exclude, got both (${listOf(include).join(', ')}; ${listOf(exclude).join(', ')})`)
}

/** Where excluded namespaces still count for how full a node is. */
export const evictableNamespacesRule: Rule = ({ evictableNamespaces }, add) => {
  const include = listOf(recordOf(evictableNamespaces).include)
  if (include.length > 0) add(['evictableNamespaces', 'include'], `expected only exclude here, got include (${include.join(', ')})`)
}

export const labelSelectorRule: Rule = ({ labelSelector }, add) => selectorRule(labelSelector, ['labelSelector'], add)

const labelKey = /^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/
const labelValue = /^([A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?)?$/

export function selectorRule(selector: unknown, path: Path, add: Add): void {
  const { matchLabels, matchExpressions } = recordOf(selector)
  for (const [key, value] of Object.entries(recordOf(matchLabels))) {
    if (!labelKey.test(key)) add([...path, 'matchLabels', key], `expected a label key, got "${key}"`)
    if (typeof value === 'string' && !labelValue.test(value)) add([...path, 'matchLabels', key], `expected a label value, got "${value}"`)
  }
  for (const [index, expression] of listOf(matchExpressions).entries())
    expressionRule(recordOf(expression), [...path, 'matchExpressions', index], add)
}

function expressionRule({ key, operator, values }: Readonly<Record<string, unknown>>, path: Path, add: Add): void {
  if (typeof key === 'string' && !labelKey.test(key)) add([...path, 'key'], `expected a label key, got "${key}"`)
  const needsValues = operator === 'In' || operator === 'NotIn'
  const count = listOf(values).length
  if (needsValues && count === 0) add([...path, 'values'], `expected at least one value for operator ${operator}, got none`)
  const needsNone = operator === 'Exists' || operator === 'DoesNotExist'
  if (needsNone && count > 0) add([...path, 'values'], `expected no values for operator ${operator}, got ${listOf(values).join(', ')}`)
  for (const [index, value] of listOf(values).entries())
    if (typeof value === 'string' && !labelValue.test(value)) add([...path, 'values', index], `expected a label value, got "${value}"`)
}

/** A strategy without a single threshold would do nothing, or everything. */
export function thresholdsRule(name: 'thresholds' | 'targetThresholds'): Rule {
  return (value, add) => {
    const thresholds = value[name]
    if (thresholds !== undefined && typeof thresholds === 'object' && Object.keys(recordOf(thresholds)).length === 0)
      add([name], 'expected a percent for at least one resource (cpu, memory, pods, …), got none')
  }
}
