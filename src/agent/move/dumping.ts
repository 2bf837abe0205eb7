// Several dumps and what goes on beside them: all end before anything is undone, and none of them without an end.
import type { HeldDump } from '../runc/checkpoint.ts'

/** For a dump that has no use any more: one that ends by itself is undone sooner than one that is ended. */
const dumpGraceMs = 2000
/** While criu writes, how often its files are looked at. */
const growthPollMs = 25

/**
 * The first failure, but only when none of them works any more: a thaw under a running dump would end badly. When the time is over, or one has
 * failed, the others have a moment to end by themselves.
 */
export async function dumpAll(dumps: readonly Pick<HeldDump, 'go'>[], budgetLeftMs: number, graceMs = dumpGraceMs): Promise<void> {
  const isOver = new AbortController()
  const endIn = (ms: number): NodeJS.Timeout => setTimeout(() => isOver.abort(), Math.max(0, ms))
  const timers = [endIn(budgetLeftMs + graceMs)]
  const failures: unknown[] = []
  const works = dumps.map(async (dump) => {
    try {
      await dump.go(isOver.signal)
    } catch (error) {
      failures.push(error)
      timers.push(endIn(graceMs))
    }
  })
  await Promise.all(works)
  for (const timer of timers) clearTimeout(timer)
  if (failures.length > 0) throw failures[0]
}

/** Runs `send` again and again until `work` is done; the failure of either ends both. */
export async function sendWhile(work: Promise<unknown>, send: () => Promise<number>): Promise<void> {
  let done = false
  const finished = work.finally(() => {
    done = true
  })
  finished.catch(() => undefined)
  while (!done) {
    const sent = await send()
    if (sent === 0) await Promise.race([finished, new Promise((resolve) => setTimeout(resolve, growthPollMs))])
  }
  await finished
}
