// What a move would take, from what the source's agent counted.
import type { Inventory } from '../api/agent-wire.ts'
import type { PodMigrationSpec, PodMigrationStatus, Refusal } from '../api/pod-migration.ts'

type Estimate = NonNullable<PodMigrationStatus['estimate']>

// Measured with plain stop-and-copy (no pre-copy yet): a fixed part for hold, dump, restore and commit, one for memory, one for each process.
const fixedMs = 110
const perProcessMs = 5
const perMemoryMBMs = 0.7
// Below this no machine that we measured got, so a budget under it is a certain failure; the agents enforce the real one.
const bestCaseShare = 0.3
// Pod creation, presync and cutover around the freeze.
const aroundSeconds = 6
const writableMBPerSecond = 60

export function estimateMove(inventory: Inventory): Estimate {
  const memoryMB = inventory.memoryBytes / 2 ** 20
  return {
    memoryMB: Math.round(memoryMB),
    freezeMs: Math.round(fixedMs + inventory.processes * perProcessMs + memoryMB * perMemoryMBMs),
    totalSeconds: Math.round(aroundSeconds + inventory.writableBytes / 2 ** 20 / writableMBPerSecond + memoryMB / 500),
  }
}

export function budgetRefusals(estimate: Estimate, spec: PodMigrationSpec): Refusal[] {
  const bestCaseMs = Math.round(estimate.freezeMs * bestCaseShare)
  if (spec.mode === 'Cold' || bestCaseMs <= spec.freezeWindowBudgetMs) return []
  return [
    {
      code: 'FreezeBudgetTooSmall',
      message: `the freeze is estimated at ${estimate.freezeMs} ms (${estimate.memoryMB} MB, at best ${bestCaseMs} ms), spec.freezeWindowBudgetMs is ${spec.freezeWindowBudgetMs}`,
      remedy: `set spec.freezeWindowBudgetMs to ${Math.min(10_000, estimate.freezeMs * 2)} or more, or use mode Cold`,
    },
  ]
}
