// The clock that everything with a wait is given, so that tests and the simulation can turn it themselves.

export interface Clock {
  /** Epoch milliseconds. */
  nowMs(): number
  /** Resolves after `ms`, or at once when the signal aborts. Never rejects: loops look at `signal.aborted`. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

// setTimeout takes at most 2^31-1 ms and fires at once above it.
const longestTimerMs = 2 ** 31 - 1

export const realClock: Clock = {
  nowMs: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const wake = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      const timer = setTimeout(wake, Math.min(Math.max(ms, 0), longestTimerMs))
      signal?.addEventListener('abort', wake, { once: true })
    }),
}
