// When V8 (11.3) collects the agent's garbage: everything whenever 64 MiB of buffers have been taken since it last did, which is often while
// memory and files go by. At once that takes some 30 ms. In small steps, as is usual, the main thread asks in a loop whether its helpers have
// finished, and each buffer taken meanwhile waits for 5 to 10 ms of marking: up to 250 ms of processor time in a freeze of 500 (perf).
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Moves } from './moves.ts'
import { isWaitedFor } from './priority.ts'

// Not --no-concurrent-marking and the --no-parallel ones as well: set while the program runs they made V8 end it (a check in its cppgc).
setFlagsFromString('--no-incremental-marking')
// Collected when it has doubled: at 25 MB the usual is 5 MB more, which is less than a freeze takes.
setFlagsFromString('--heap-growing-percent=100')
setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Blocks for some 30 ms, and is left where another move would wait for that. */
export function collectAhead(moves: Moves, uid: string): void {
  if (!isWaitedFor(moves, uid)) collect()
}
