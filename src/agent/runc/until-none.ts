// Waits for a pod that runs to take what has come for it.

/** Or the time is over. */
export async function untilNone(waiting: () => number | Promise<number>, timeoutMs: number): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs
  while ((await waiting()) > 0 && performance.now() < deadlineMs) await new Promise((resolve) => setTimeout(resolve, 1))
}
