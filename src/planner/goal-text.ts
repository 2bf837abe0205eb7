// Reads a goal as it is written on a command line: balance, consolidate or evacuate=NODE,NODE.
import { CodedError } from '../runtime/errors.ts'
import type { Goal } from './input.ts'

const expected = 'expected balance, consolidate or evacuate=NODE,NODE,…'

export function parseGoal(text: string): Goal {
  if (text === 'balance' || text === 'consolidate') return { kind: text }
  const [kind, list, ...rest] = text.split('=')
  const nodeNames = (list ?? '').split(',').map((name) => name.trim())
  if (kind === 'evacuate' && rest.length === 0 && nodeNames.every((name) => name !== ''))
    return { kind, nodeNames: [...new Set(nodeNames)] }
  throw new CodedError('WrongGoal', `Reading --goal: "${text}" is no goal: ${expected}`)
}

/** Names that no node has, all at once. */
export function checkGoal(goal: Goal, nodeNames: readonly string[]): void {
  if (goal.kind !== 'evacuate') return
  const unknown = goal.nodeNames.filter((name) => !nodeNames.includes(name))
  if (unknown.length === 0) return
  const known = nodeNames.slice(0, 8).join(', ') + (nodeNames.length > 8 ? ' …' : '')
  throw new CodedError('NoSuchNode', `Reading --goal: evacuate=${unknown.join(',')}: no such node is known: the nodes are ${known}`)
}
