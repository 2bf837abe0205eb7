// The machine of one migration: the exhaustive table of phases, the table of allowed transitions, and what may interrupt a phase.
// Pure: no clock, no client, no await. Twice the same input, twice the same output.
import { isTerminal, type Phase } from '../api/phases.ts'
import type { PodMigration } from '../api/pod-migration.ts'
import type { Decided, Decision } from './decision.ts'
import { newsOf } from './news.ts'
import type { Instant, Migration, Observed } from './observed.ts'
import { cutoverComplete } from './phases/cutover-complete.ts'
import { destinationPrewarm } from './phases/destination-prewarm.ts'
import { follow, followedPhases } from './phases/follow.ts'
import { interruption } from './phases/interruption.ts'
import { pending } from './phases/pending.ts'
import { checkpointing, preCopyMemory } from './phases/pre-copy.ts'
import { becomeRollingBack } from './phases/roll-back.ts'
import { rollingBack } from './phases/rolling-back.ts'
import { serviceVerifying } from './phases/service-verifying.ts'
import { socketInventory } from './phases/socket-inventory.ts'
import { tcpVerifying } from './phases/tcp-verifying.ts'
import { terminal } from './phases/terminal.ts'
import { validating } from './phases/validating.ts'

type PhaseDecider = (migration: Migration, observed: Observed, nowMs: Instant) => Decision

const deciders: Record<Phase, PhaseDecider> = {
  Pending: pending,
  Validating: validating,
  SocketInventory: socketInventory,
  PreCopyMemory: preCopyMemory,
  Checkpointing: checkpointing,
  DestinationPrewarm: destinationPrewarm,
  ZeroWindowArm: follow,
  OverlayHandoff: follow,
  FinalFreeze: follow,
  StateCapture: follow,
  Transferring: follow,
  Restoring: follow,
  RestoreSocketReattach: follow,
  DisengageHold: follow,
  TCPVerifying: tcpVerifying,
  ServiceVerifying: serviceVerifying,
  CutoverComplete: cutoverComplete,
  RollingBack: rollingBack,
  Complete: terminal,
  DryRunComplete: terminal,
  RolledBack: terminal,
  Failed: terminal,
}

/** From each phase to these; staying is always allowed. After the commit no row has a way back. */
export const transitions: Record<Phase, readonly Phase[]> = {
  Pending: ['Validating', 'RollingBack'],
  Validating: ['SocketInventory', 'DryRunComplete', 'Failed', 'RollingBack'],
  SocketInventory: ['PreCopyMemory', 'Checkpointing', 'Failed', 'RollingBack'],
  PreCopyMemory: ['DestinationPrewarm', 'RollingBack'],
  Checkpointing: ['DestinationPrewarm', 'RollingBack'],
  DestinationPrewarm: ['ZeroWindowArm', 'RollingBack'],
  ...followedTransitions(),
  TCPVerifying: ['ServiceVerifying'],
  ServiceVerifying: ['CutoverComplete'],
  CutoverComplete: ['Complete'],
  RollingBack: ['RolledBack', 'DisengageHold'],
  Complete: [],
  DryRunComplete: [],
  RolledBack: [],
  Failed: [],
}

// The agents are quicker than our looks at them: any later phase may be the next one seen.
function followedTransitions(): Record<(typeof followedPhases)[number], readonly Phase[]> {
  const rows = followedPhases.map((phase, index) => [phase, [...followedPhases.slice(index + 1), 'TCPVerifying', 'RollingBack']])
  return Object.fromEntries(rows)
}

export function decide(migration: PodMigration, observed: Observed, nowMs: Instant): Decided {
  const current: Migration = { ...migration, status: migration.status ?? {} }
  const phase = current.status.phase ?? 'Pending'
  const interrupted = isTerminal(phase) ? undefined : interruption(current, observed, nowMs)
  const decision = interrupted ? becomeRollingBack(current, interrupted, nowMs) : deciders[phase](current, observed, nowMs)
  assertTransition(phase, decision.status.phase)
  return { ...decision, news: newsOf(current.status, decision.status) }
}

/** An impossible step is a defect of ours: better no move than a wrong one. */
export function assertTransition(from: Phase, to: Phase | undefined): void {
  if (to === from || (to && transitions[from].includes(to))) return
  throw new Error(`The machine went from ${from} to ${to}, which no row of the transition table allows: this is a defect, please report it`)
}
