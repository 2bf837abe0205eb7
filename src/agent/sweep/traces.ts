// Trace instances of the kernel that a killed podmotion-helper left (native/helper/trace.c): they record, and hold memory, until somebody removes them.
import { z } from 'zod'
import { run } from '../run.ts'

/** A helper that works holds its own: those are not found. */
export async function sweepTraces(helper: string, dryRun: boolean): Promise<string[]> {
  const { exitCode, stdout } = await run(helper, ['traces', ...(dryRun ? [] : ['--remove'])], { reject: false })
  const names = exitCode === 0 ? z.array(z.string()).parse(JSON.parse(stdout)) : []
  return names.map((name) => `trace instance ${name} of a helper that was killed`)
}
