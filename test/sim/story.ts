// A run as people would tell it: the plan, then one line for each thing that happened.
import { describeEvent } from './plan.ts'
import type { RunResult } from './run.ts'

export function storyOf({ plan, story, violations, happened }: RunResult): string {
  const lines = story.map(({ atMs, who, text }) => `${(atMs / 1000).toFixed(4).padStart(10)}s ${who.padEnd(10)} ${text}`)
  return [
    `seed ${plan.seed}, ${plan.replicas} replicas, ${happened} events`,
    'plan:',
    ...plan.events.map((event) => `  ${describeEvent(event)}`),
    'story:',
    ...lines,
    ...violations.map(({ checker, message }) => `FAILED ${checker}: ${message}`),
  ].join('\n')
}
