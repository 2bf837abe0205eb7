// One run of one policy: may it run now, who may move, what do its strategies find, which moves come of it. Pure.

import type { V1Node } from '@kubernetes/client-node'
import type { MigrationPolicy } from '../api/migration-policy.ts'
import type { NodeMigrationCapacity } from '../api/node-migration-capacity.ts'
import { indexOf } from '../extender/cluster-index.ts'
import { type PlannedMove, planBalance } from './balance/plan.ts'
import { blackoutAt } from './blackout.ts'
import { BudgetLedger } from './budgets.ts'
import { type CandidateQuestion, candidatesOf } from './candidates.ts'
import { argumentsOf } from './strategies/arguments-of.ts'
import { strategies } from './strategies/index.ts'
import { loadsOf } from './utilisation.ts'

export interface CycleInput extends CandidateQuestion {
  nodes: readonly V1Node[]
  capacities: readonly NodeMigrationCapacity[]
}

export interface Cycle {
  moves: PlannedMove[]
  /** One sentence for the status of the policy. */
  result: string
}

export function planCycle(input: CycleInput): Cycle {
  const { policy, nowMs } = input
  if (policy.spec.suspend) return { moves: [], result: 'suspended' }
  const blackout = blackoutAt(policy.spec.blackoutWindows, nowMs)
  if (blackout) return { moves: [], result: `not run: ${blackout}` }
  const candidates = candidatesOf(input)
  if (candidates.length === 0)
    return { moves: [], result: 'no pod is for this policy to move (RuntimeClass, selectors, cooldown, other policies)' }
  return runStrategies(policy, input, candidates)
}

function runStrategies(policy: MigrationPolicy, input: CycleInput, candidates: CycleInput['pods']): Cycle {
  const index = indexOf(input)
  const ledger = new BudgetLedger(policy.spec.budgets, policy.metadata.name, input.migrations, input.nowMs)
  const moves: PlannedMove[] = []
  const results: string[] = []
  let waiting = candidates
  for (const wish of policy.spec.strategies) {
    const loads = loadsOf(
      index,
      input.migrations,
      moves.map((move) => `${move.namespace}/${move.podName}`),
    )
    const given = argumentsOf(wish)
    if ('problems' in given) {
      results.push(`${wish.name}: the arguments are wrong: ${given.problems.join('; ')}`)
      continue
    }
    const finding = strategies[wish.name].level?.(given.data, loads) ?? { nothing: 'not yet' }
    if ('nothing' in finding) {
      results.push(`${wish.name}: ${finding.nothing}`)
      continue
    }
    const plan = planBalance({ index, loads, finding, candidates: waiting, ledger, nowMs: input.nowMs })
    moves.push(...plan.moves)
    waiting = waiting.filter((pod) => !plan.moves.some((move) => move.podUid === pod.metadata?.uid))
    results.push(`${wish.name}: ${finding.reason}: ${plan.moves.length} moves${written(plan.left)}`)
  }
  return { moves, result: results.join('. ') }
}

function written(left: Readonly<Record<string, number>>): string {
  const parts = Object.entries(left).map(([why, count]) => `${count} left: ${why}`)
  return parts.length > 0 ? ` (${parts.join(', ')})` : ''
}
