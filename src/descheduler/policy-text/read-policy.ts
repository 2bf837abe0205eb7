// Reads a policy of either kind from text: a DeschedulerPolicy of the stock descheduler or a MigrationPolicy.

import type { MigrationPolicy } from '../../api/migration-policy.ts'
import { apiVersion } from '../../api/names.ts'
import { recordOf } from '../stock/argument-rules.ts'
import { type PolicyDocument, readDocument } from './document.ts'
import { parseMigrationPolicy } from './migration-policy.ts'
import { describeProblems, type Problem } from './problems.ts'
import { parseStockPolicy, type StockPolicy, stockApiVersion } from './stock-policy.ts'

export type AnyPolicy = { stock: StockPolicy } | { ours: MigrationPolicy }

export type ReadPolicy = { policy: AnyPolicy; document: PolicyDocument } | { problems: string[] }

/** With what it takes to say where in the file something is wrong. */
export interface ReadStockPolicy {
  policy: StockPolicy
  document: PolicyDocument
  file: string
}

/** The name is only for the problems: `file:line:column path: what was expected`. */
export function readPolicy(text: string, file: string): ReadPolicy {
  const document = readDocument(text)
  if (document.errors.length > 0) return { problems: document.errors.map(({ position, message }) => `${file}:${position} ${message}`) }
  const outcome = parse(document.value)
  if ('problems' in outcome) return { problems: describeProblems(outcome.problems, file, document) }
  return { policy: outcome, document }
}

function parse(value: unknown): AnyPolicy | { problems: Problem[] } {
  const { kind, apiVersion: version } = recordOf(value)
  if (kind === 'MigrationPolicy' || version === apiVersion) {
    const ours = parseMigrationPolicy(value)
    return 'problems' in ours ? ours : { ours: ours.policy }
  }
  if (kind === 'DeschedulerPolicy' || String(version).startsWith('descheduler/')) {
    const stock = parseStockPolicy(value)
    return 'problems' in stock ? stock : { stock: stock.policy }
  }
  const expected = `expected DeschedulerPolicy (${stockApiVersion}) or MigrationPolicy (${apiVersion})`
  return { problems: [{ path: ['kind'], message: `${expected}, got ${kind === undefined ? 'nothing' : JSON.stringify(kind)}` }] }
}
