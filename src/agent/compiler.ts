// V8's habits, for a process that does nothing for hours and then has to do much within a freeze.
import { setFlagsFromString } from 'node:v8'

/**
 * Code that has run a little more often is compiled once more, better, on another thread: 90 ms of processor time in each of the first freezes of
 * an agent, while its main thread takes no longer without (perf, moves of a PostgreSQL). Fifteen times later than usual: a long copy still gets it.
 * And what has been compiled at all stays: V8 drops it when it was not used for a while.
 */
export function compileRarely(): void {
  setFlagsFromString('--interrupt-budget=1000000')
  setFlagsFromString('--no-flush-bytecode')
}
