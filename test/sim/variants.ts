// Deliberately wrong versions of the product: each must be found, or the checkers prove nothing.

import type { Rules } from '../../src/agent/moves.ts'
import { decideDestination } from '../../src/agent/protocol/destination.ts'
import type { DestinationMove, JournalRecord, SourceMove } from '../../src/agent/protocol/move.ts'
import { decideSource } from '../../src/agent/protocol/source.ts'
import type { Wrong } from './world.ts'

export interface Variant {
  name: string
  rules?: Partial<Rules>
  wrong?: Wrong
  /** The first seed that finds it; tried first, so that the proof is quick. When the plans change it is searched for again. */
  foundBy: number
  /** One of these has to complain. */
  checkers: readonly string[]
}

type Source = Rules['source']
type Destination = Rules['destination']

const committed = (atMs: number): JournalRecord => ({ type: 'state', atMs, state: 'committed' })

function sourceThat(differs: (move: SourceMove, message: Parameters<Source>[1], nowMs: number) => ReturnType<Source> | undefined): Source {
  return (move, message, nowMs) => differs(move, message, nowMs) ?? decideSource(move, message, nowMs)
}

function destinationThat(
  differs: (move: DestinationMove, message: Parameters<Destination>[1], nowMs: number) => ReturnType<Destination> | undefined,
): Destination {
  return (move, message, nowMs) => differs(move, message, nowMs) ?? decideDestination(move, message, nowMs)
}

function thawAnyway(nowMs: number): ReturnType<Source> {
  const failure = { code: 'Wrong', message: 'thaws although it may not' }
  return { records: [{ type: 'state', atMs: nowMs, state: 'aborted', failure }], actions: ['rollBack'] }
}

export const variants: readonly Variant[] = [
  {
    name: 'the destination commits without a grant',
    rules: {
      destination: destinationThat((move, message, nowMs) =>
        message.type === 'held' && move.state === 'restoring' ? { records: [committed(nowMs)], actions: ['release'] } : undefined,
      ),
    },
    foundBy: 1,
    checkers: ['commitNeedsGrant', 'oneCopy'],
  },
  {
    name: 'the destination accepts a grant after it has said never',
    rules: {
      destination: destinationThat((move, message, nowMs) =>
        message.type === 'grant' && !move.committed ? { records: [committed(nowMs)], actions: ['release'] } : undefined,
      ),
    },
    foundBy: 11,
    checkers: ['neverIsForEver', 'oneCopy'],
  },
  {
    name: 'the source thaws when its grant is not answered in time',
    rules: {
      source: sourceThat((move, message, nowMs) => (message.type === 'failed' && move.state === 'granted' ? thawAnyway(nowMs) : undefined)),
    },
    foundBy: 28,
    checkers: ['oneCopy', 'noOldState'],
  },
  {
    name: 'the source thaws when it is aborted after the grant',
    rules: {
      source: sourceThat((move, message, nowMs) => (message.type === 'abort' && move.state === 'granted' ? thawAnyway(nowMs) : undefined)),
    },
    foundBy: 355,
    checkers: ['oneCopy', 'noOldState', 'deletesOnlyOurs', 'endIsTrue', 'comesToRest'],
  },
  {
    name: 'the source thaws after a restart with a grant out',
    rules: {
      source: sourceThat((move, message, nowMs) =>
        message.type === 'restarted' && move.state === 'granted' ? thawAnyway(nowMs) : undefined,
      ),
    },
    foundBy: 94,
    checkers: ['oneCopy', 'noOldState', 'comesToRest'],
  },
  {
    name: 'kubelet restarts the source while its copy runs',
    wrong: { noMarker: true },
    foundBy: 71,
    checkers: ['oneCopy'],
  },
  {
    name: 'the journal is not on disk before the act',
    wrong: { notSynced: true },
    foundBy: 60,
    checkers: ['oneCopy', 'commitNeedsGrant', 'noOldState', 'neverNone', 'commitIsForEver', 'restIsTrue', 'endIsTrue', 'comesToRest'],
  },
  {
    name: 'a hold is not undone',
    wrong: { holdNotUndone: true },
    foundBy: 1,
    checkers: ['comesToRest'],
  },
  {
    name: 'the room is kept when the move is over',
    wrong: { reservationKept: true },
    foundBy: 1,
    checkers: ['reservationFreed'],
  },
]
