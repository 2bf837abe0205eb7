// Reads label selectors that are written as text: "pool=a,disk in (ssd,nvme),!old".
import { type Labels, matchesRequirement } from '../../extender/label-selector.ts'

interface Requirement {
  key: string
  operator: string
  values: string[]
}

export type LabelQuery = readonly Requirement[]

const name = String.raw`(?:[a-z0-9A-Z.-]+/)?[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?`
const value = String.raw`(?:[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)?`
const exists = new RegExp(`^(!?)\\s*(${name})$`)
const equality = new RegExp(`^(${name})\\s*(==|=|!=|>|<)\\s*(${value})$`)
const set = new RegExp(`^(${name})\\s+(in|notin)\\s*\\(([^()]*)\\)$`)
const operators: Record<string, string> = { '=': 'In', '==': 'In', '!=': 'NotIn', '>': 'Gt', '<': 'Lt', in: 'In', notin: 'NotIn' }

/** Text is the first part that is none. */
export function parseLabelQuery(text: string): LabelQuery | { wrong: string } {
  const requirements: Requirement[] = []
  for (const part of text.trim() === '' ? [] : splitOutside(text)) {
    const requirement = parsePart(part.trim())
    if (!requirement) return { wrong: part.trim() }
    requirements.push(requirement)
  }
  return requirements
}

export function matchesQuery(query: LabelQuery, labels: Labels): boolean {
  return query.every((requirement) => matchesRequirement(requirement, labels))
}

/** Commas within parentheses separate values, not requirements. */
function splitOutside(text: string): string[] {
  return text.split(/,(?![^(]*\))/)
}

function parsePart(part: string): Requirement | undefined {
  const existing = exists.exec(part)
  if (existing) return { key: existing[2] ?? '', operator: existing[1] === '!' ? 'DoesNotExist' : 'Exists', values: [] }
  const equal = equality.exec(part)
  if (equal) return comparison(equal[1] ?? '', equal[2] ?? '', equal[3] ?? '')
  const listed = set.exec(part)
  if (!listed) return undefined
  const values = (listed[3] ?? '').split(',').map((one) => one.trim())
  return { key: listed[1] ?? '', operator: operators[listed[2] ?? ''] ?? '', values }
}

function comparison(key: string, sign: string, text: string): Requirement | undefined {
  if ((sign === '>' || sign === '<') && !/^\d+$/.test(text)) return undefined
  return { key, operator: operators[sign] ?? '', values: [text] }
}
