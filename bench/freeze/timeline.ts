// Steps with their times, and how long each took. Pure.

export interface Step {
  step: string
  atMs: number
}

export function at(steps: readonly Step[], name: string): number | undefined {
  return steps.find(({ step }) => step === name)?.atMs
}

/** From one step to another, in ms; undefined when either is missing. */
export function between(steps: readonly Step[], from: string, to: string): number | undefined {
  const [fromMs, toMs] = [at(steps, from), at(steps, to)]
  return fromMs === undefined || toMs === undefined ? undefined : toMs - fromMs
}

/** From one step to another, both included, in order of time; empty when either is missing. */
export function inside(steps: readonly Step[], from: string, to: string): Step[] {
  const [fromMs, toMs] = [at(steps, from), at(steps, to)]
  if (fromMs === undefined || toMs === undefined) return []
  const later = steps.filter(({ atMs }) => atMs > fromMs && atMs <= toMs).toSorted((one, other) => one.atMs - other.atMs)
  return [{ step: from, atMs: fromMs }, ...later]
}

/** `dumped 210 · sent 80 · …`: what each step after `from`, up to `to`, took after the one before it. */
export function breakdown(steps: readonly Step[], from: string, to: string): string {
  const [first, ...later] = inside(steps, from, to)
  if (!first) return ''
  return later.map(({ step, atMs }, index) => `${step} ${Math.round(atMs - (later[index - 1] ?? first).atMs)}`).join(' · ')
}

/** Lines `name seconds.microseconds`, as the scripts of a plain move write them; a line `failed …` is a reason. */
export function readNotes(text: string): { steps: Step[]; failure: string | undefined } {
  const lines = text.split('\n')
  const steps = lines.flatMap((line) => {
    const [, step, seconds] = /^(\w+) (\d+\.\d+)$/.exec(line) ?? []
    return step === undefined ? [] : [{ step, atMs: Number(seconds) * 1000 }]
  })
  return { steps, failure: lines.find((line) => line.startsWith('failed '))?.slice('failed '.length) }
}

/**
 * From when to when the memory was tracked: from the first round on, until the traffic was held. Rounds that took `durationsMs` were before the step
 * presync, but for one at the end that a move may do without.
 */
export function trackedSpan(steps: readonly Step[], durationsMs: readonly number[]): { fromMs: number; untilMs: number } | undefined {
  const [presyncMs, untilMs] = [at(steps, 'presync'), at(steps, 'held')]
  if (presyncMs === undefined || untilMs === undefined || durationsMs.length === 0) return undefined
  const isRefreshed = untilMs - presyncMs > (durationsMs.at(-1) ?? 0)
  const before = durationsMs.slice(0, isRefreshed ? -1 : undefined)
  return { fromMs: presyncMs - before.reduce((sum, durationMs) => sum + durationMs, 0), untilMs }
}
