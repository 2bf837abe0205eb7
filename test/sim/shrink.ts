// Cuts a failing plan down: without each of its events in turn, as long as the same checker still complains.
import type { Plan } from './plan.ts'
import { type RunOptions, type RunResult, runSeed } from './run.ts'

export async function shrink(options: RunOptions, failed: RunResult): Promise<RunResult> {
  const checker = failed.violations[0]?.checker
  let smallest = failed
  let again = true
  while (again) {
    again = false
    for (let at = smallest.plan.events.length - 1; at >= 0; at--) {
      const plan: Plan = { ...smallest.plan, events: smallest.plan.events.filter((_event, index) => index !== at) }
      const result = await runSeed({ ...options, plan })
      if (!result.violations.some((violation) => violation.checker === checker)) continue
      smallest = result
      again = true
    }
  }
  return smallest
}
