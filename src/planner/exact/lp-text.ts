// Writes a problem in the LP format that HiGHS reads; squares are paid through tangents, which never say more than the square.
import type { ExactProblem, Row } from './problem.ts'

/** For each distance the points at which its square has a tangent. */
export type Tangents = ReadonlyMap<string, readonly number[]>

/** Few: each is a row that the solver drags along, and where it matters more are added. */
const firstPoints = [-0.4, -0.2, -0.1, -0.05, -0.02, 0, 0.02, 0.05, 0.1, 0.2, 0.4]

export function firstTangents({ distances }: ExactProblem): Map<string, number[]> {
  return new Map(distances.map(({ column, start }) => [column, [...firstPoints, start]]))
}

export function lpText({ objective, rows, distances, binaries }: ExactProblem, tangents: Tangents): string {
  const paid = distances.map(({ column }) => [squareOf(column), 1] as const)
  const all = [...rows, ...distances.flatMap(({ column }) => (tangents.get(column) ?? []).map((point) => tangentRow(column, point)))]
  const lines = [
    'Minimize',
    ` obj: ${sum([...paid, ...objective])}`,
    'Subject To',
    ...all.map((row, number) => ` r${number}: ${sum(row.terms)} ${row.sign} ${written(row.bound)}`),
    'Bounds',
    ...distances.map(({ column }) => ` ${column} free`),
    'Binary',
    ...chunks(binaries, 20).map((names) => ` ${names.join(' ')}`),
    'End',
  ]
  return `${lines.join('\n')}\n`
}

function squareOf(column: string): string {
  return `q${column}`
}

/** square ≥ 2 × point × distance - point². */
function tangentRow(column: string, point: number): Row {
  return {
    terms: [
      [squareOf(column), 1],
      [column, -2 * point],
    ],
    sign: '>=',
    bound: -point * point,
  }
}

/** The reader of the format takes lines of at most some hundred characters for granted. */
function sum(terms: readonly (readonly [string, number])[]): string {
  const parts = terms
    .filter(([, factor]) => factor !== 0)
    .map(([column, factor]) => `${factor < 0 ? '-' : '+'} ${written(Math.abs(factor))} ${column}`)
  if (parts.length === 0) return `0 ${terms[0]?.[0] ?? ''}`
  return chunks(parts, 12)
    .map((chunk) => chunk.join(' '))
    .join('\n  ')
}

function written(value: number): string {
  return Object.is(value, -0) ? '0' : String(Number(value.toPrecision(12)))
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_none, number) => items.slice(number * size, (number + 1) * size))
}
