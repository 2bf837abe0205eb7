// Is something that a migration left on this node still needed? Pure: what is not, the sweep removes.
import { isOpen, type Move } from '../protocol/move.ts'
import type { Owned } from './owned.ts'

export interface NodeView {
  moves: readonly Move[]
  /** UIDs of the pods that kubelet has a folder of. */
  podUids: ReadonlySet<string>
  /** `<namespace>_<pod>` of the pods that kubelet keeps logs of. */
  podKeys: ReadonlySet<string>
  /** Epoch milliseconds. */
  nowMs: number
}

export function isNeeded(owned: Owned, view: NodeView): boolean {
  const move = view.moves.find(({ uid }) => uid === owned.uid)
  switch (owned.kind) {
    case 'images':
    case 'socket':
      return move !== undefined && isOpen(move)
    case 'work':
      // criu's logs: somebody may want to read why, until the controller has finished the move.
      return move !== undefined && (isOpen(move) || move.state === 'aborted')
    case 'marker':
      return isMarkerNeeded(owned, move, view)
    case 'checkpoint':
      return (owned.expiresAtMs ?? 0) > view.nowMs
    case 'awaited':
    case 'restored':
      // They last as long as the pod, or as long as it may still come.
      return view.podKeys.has(owned.podKey ?? '') || view.moves.some((one) => awaits(one, owned.podKey ?? ''))
  }
}

/** A source that has left keeps it until its pod is gone; one whose move came to nothing must be able to start again. */
function isMarkerNeeded({ podUid }: Owned, move: Move | undefined, { moves, podUids }: NodeView): boolean {
  if (moves.some((one) => one.role === 'source' && isOpen(one) && one.request.pod.uid === podUid)) return true
  return podUids.has(podUid ?? '') && (move === undefined || move.committed)
}

function awaits(move: Move, podKey: string): boolean {
  return (
    move.role === 'destination' &&
    isOpen(move) &&
    move.request !== undefined &&
    `${move.request.pod.namespace}_${move.request.pod.name}` === podKey
  )
}
