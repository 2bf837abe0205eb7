// Waits for a pod that runs to take what has come for it.

/** False: the time is over, and something waits. */
export async function untilNone(waiting: () => number | Promise<number>, timeoutMs: number): Promise<boolean> {
  const deadlineMs = performance.now() + timeoutMs
  for (;;) {
    if ((await waiting()) === 0) return true
    if (performance.now() >= deadlineMs) return false
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}
