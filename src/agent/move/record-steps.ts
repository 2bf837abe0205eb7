// Steps that the destination made become part of the source's record.
import type { Moves } from '../moves.ts'
import type { Steps } from '../peer/wire.ts'

export function recordSteps(moves: Moves, uid: string, { steps }: Steps): void {
  for (const { step, atMs, node } of steps) moves.step(uid, step, atMs, node)
}

/** With those of the commit the freeze as a whole is known. */
export function recordCommit(moves: Moves, uid: string, { steps, holdMs }: Steps & { holdMs?: number | undefined }): void {
  recordSteps(moves, uid, { steps })
  const atMs = (wanted: string): number | undefined => moves.source(uid).steps.find(({ step }) => step === wanted)?.atMs
  const [frozenAtMs, resumedAtMs] = [atMs('frozen'), atMs('resumed')]
  moves.facts(uid, {
    ...(holdMs === undefined ? {} : { holdMs }),
    ...(frozenAtMs === undefined || resumedAtMs === undefined ? {} : { freezeMs: resumedAtMs - frozenAtMs }),
  })
}
