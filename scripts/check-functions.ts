// Measures the named functions of src: fails when their median is over 12 lines or one is over 70. Lambdas inside count to the function around them.
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { parseSync } from 'oxc-parser'

const root = join(import.meta.dirname, '..')
const medianLines = 12
const longestLines = 70

interface Measured {
  name: string
  place: string
  lines: number
}

interface SyntaxNode {
  type: string
  start: number
  end: number
  [field: string]: unknown
}

/** Named functions of one file: declarations, methods, and constants that are functions. */
export function measure(path: string, source: string): Measured[] {
  const { program, errors } = parseSync(path, source)
  if (errors.length > 0) throw new Error(`Measuring ${path}: ${errors[0]?.message}`)
  return [...namedFunctions(program as unknown as SyntaxNode)].map(({ name, node }) => ({
    name,
    place: `${path}:${lineAt(source, node.start)}`,
    lines: lineAt(source, node.end) - lineAt(source, node.start) + 1,
  }))
}

function* namedFunctions(node: SyntaxNode): Generator<{ name: string; node: SyntaxNode }> {
  const name = nameOf(node)
  if (name !== undefined) yield { name, node }
  for (const value of Object.values(node)) for (const child of nodesIn(value)) yield* namedFunctions(child)
}

function nameOf(node: SyntaxNode): string | undefined {
  if (node.type === 'FunctionDeclaration') return identifier(node.id) ?? 'default'
  if (node.type === 'MethodDefinition' || node.type === 'PropertyDefinition')
    return isFunction(node.value) ? identifier(node.key) : undefined
  if (node.type === 'VariableDeclarator') return isFunction(node.init) ? identifier(node.id) : undefined
  return undefined
}

function isFunction(value: unknown): boolean {
  const type = (value as SyntaxNode | null)?.type
  return type === 'FunctionExpression' || type === 'ArrowFunctionExpression'
}

function identifier(value: unknown): string | undefined {
  return (value as { name?: string } | null)?.name
}

function nodesIn(value: unknown): SyntaxNode[] {
  const values = Array.isArray(value) ? value : [value]
  return values.filter((item): item is SyntaxNode => typeof (item as SyntaxNode | null)?.type === 'string')
}

function lineAt(source: string, offset: number): number {
  return source.slice(0, offset).split('\n').length
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((left, right) => left - right)
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0
}

function main(): void {
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
  const paths = files.map((name) => join(root, 'src', name))
  const functions = paths.flatMap((path) => measure(relative(root, path), readFileSync(path, 'utf8')))
  const middle = median(functions.map(({ lines }) => lines))
  const tooLong = functions.filter(({ lines }) => lines > longestLines)
  const longest = functions.toSorted((left, right) => right.lines - left.lines)[0]
  console.log(`${functions.length} functions: median ${middle} lines, longest ${longest?.lines} (${longest?.name}, ${longest?.place})`)
  for (const { name, place, lines } of tooLong) console.error(`${place}: ${name} has ${lines} lines: at most ${longestLines}, split it`)
  if (middle > medianLines) console.error(`the median is ${middle} lines: at most ${medianLines}`)
  if (tooLong.length > 0 || middle > medianLines) process.exitCode = 1
}

if (import.meta.filename === process.argv[1]) main()
