// Collects the agent's garbage before a freeze: V8 (11.3) collects everything whenever 64 MiB of buffers have been taken since it last did, which
// is often while memory and files go ahead; inside of a freeze that takes both processors for 20 to 60 ms.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { MoveState } from '../api/agent-wire.ts'
import type { Moves } from './moves.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** States in which a pod waits for this agent: it does not wait for a collection too. */
const waitedFor = new Set<MoveState>(['frozen', 'granted', 'holding', 'restoring', 'held', 'committed'])

/** Blocks for some 20 ms, and is left where another move would wait for that. */
export function collectAhead(moves: Moves, uid: string): void {
  if (!moves.list().some((move) => move.uid !== uid && waitedFor.has(move.state))) collect()
}
