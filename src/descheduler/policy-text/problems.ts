// What is wrong with a policy, in the words of the house: where, what was expected, what was found.
import type { z } from 'zod'
import type { Path, PolicyDocument } from './document.ts'

export interface Problem {
  path: Path
  message: string
}

type Issue = z.core.$ZodIssue

export function problemsOf(issues: readonly Issue[], root: unknown, prefix: Path = []): Problem[] {
  return issues.flatMap((issue) => {
    const path = [...prefix, ...issue.path.map((step) => (typeof step === 'number' ? step : String(step)))]
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => ({
        path: [...path, key],
        message: `there is no such field, got ${written(valueAt(root, [...path, key]))}`,
      }))
    return [{ path, message: messageOf(issue, valueAt(root, path)) }]
  })
}

function messageOf(issue: Issue, value: unknown): string {
  const got = `got ${written(value)}`
  if (issue.message.startsWith('expected')) return issue.message.includes('got ') ? issue.message : `${issue.message}, ${got}`
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${article(issue.expected)}, ${got}`
    case 'invalid_value':
      return `expected ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.join(', ')}, ${got}`
    case 'too_small':
      return `expected at least ${issue.minimum}${ofLength(issue.origin)}, ${got}`
    case 'too_big':
      return `expected at most ${issue.maximum}${ofLength(issue.origin)}, ${got}`
    default:
      return `${issue.message}, ${got}`
  }
}

const articles: Record<string, string> = {
  int: 'a whole number',
  number: 'a number',
  string: 'a text',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
  record: 'a map',
}

function article(expected: string): string {
  return articles[expected] ?? expected
}

function ofLength(origin: string): string {
  return origin === 'array' || origin === 'string' ? (origin === 'array' ? ' entries' : ' characters') : ''
}

export function valueAt(root: unknown, path: Path): unknown {
  let value: unknown = root
  for (const step of path) value = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[step] : undefined
  return value
}

const longestValue = 60

function written(value: unknown): string {
  if (value === undefined) return 'nothing'
  const text = JSON.stringify(value)
  return text.length > longestValue ? `${text.slice(0, longestValue)}…` : text
}

/** `file:line:column path: message`, in the order of the text. */
export function describeProblems(problems: readonly Problem[], file: string, document: PolicyDocument): string[] {
  return problems
    .map(({ path, message }) => ({ path, message, position: document.positionOf(path) }))
    .sort((one, other) => compare(one.position, other.position))
    .map(({ path, message, position }) => `${file}:${position} ${pathText(path)}${path.length > 0 ? ': ' : ''}${message}`)
}

function compare(one: string, other: string): number {
  const [line = 0, column = 0] = one.split(':').map(Number)
  const [otherLine = 0, otherColumn = 0] = other.split(':').map(Number)
  return line - otherLine || column - otherColumn
}

/** `profiles[0].pluginConfig[1].args.thresholds.cpu`; a step that is no word is quoted. */
export function pathText(path: Path): string {
  return path
    .map((step, index) => {
      if (typeof step === 'number') return `[${step}]`
      if (!/^[\w-]+$/.test(step)) return `["${step}"]`
      return index > 0 ? `.${step}` : step
    })
    .join('')
}
