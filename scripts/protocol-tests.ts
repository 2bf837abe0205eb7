// The protocol, the machine and the journal, and what tests them: for coverage.ts and mutations.ts.
import { join } from 'node:path'

export const root = join(import.meta.dirname, '..')
export const targets = [
  'src/agent/protocol/destination.ts',
  'src/agent/protocol/move.ts',
  'src/agent/protocol/source.ts',
  'src/agent/journal/journal.ts',
  'src/agent/journal/line.ts',
  'src/migrator/machine.ts',
  'src/migrator/phases/cutover-complete.ts',
  'src/migrator/phases/follow.ts',
  'src/migrator/phases/interruption.ts',
  'src/migrator/phases/rolling-back.ts',
]
export const units = [
  'test/agent/protocol/destination.test.ts',
  'test/agent/protocol/move.test.ts',
  'test/agent/protocol/source.test.ts',
  'test/agent/protocol/world.test.ts',
  'test/agent/journal/journal.test.ts',
  'test/agent/moves.test.ts',
  'test/migrator/machine.test.ts',
  'test/migrator/phases.test.ts',
  'test/transcripts/moves.test.ts',
]
/** Of the simulation, beside the units. */
export const simulatedSeeds = 150
