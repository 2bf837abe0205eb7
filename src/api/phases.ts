// The 22 phases and 15 conditions of a migration: the words every room shares.

export const phases = [
  'Pending',
  'Validating',
  'SocketInventory',
  'PreCopyMemory',
  'DestinationPrewarm',
  'Checkpointing',
  'ZeroWindowArm',
  'OverlayHandoff',
  'FinalFreeze',
  'StateCapture',
  'Transferring',
  'Restoring',
  'RestoreSocketReattach',
  'DisengageHold',
  'TCPVerifying',
  'ServiceVerifying',
  'CutoverComplete',
  'Complete',
  'DryRunComplete',
  'RollingBack',
  'RolledBack',
  'Failed',
] as const
export type Phase = (typeof phases)[number]

export const terminalPhases = ['Complete', 'DryRunComplete', 'RolledBack', 'Failed'] as const

export function isTerminal(phase: Phase | undefined): boolean {
  return (terminalPhases as readonly string[]).includes(phase ?? '')
}

export const conditionTypes = [
  'SocketInventoryComplete',
  'DestinationNetnsReady',
  'ZeroWindowArmed',
  'ZeroWindowDisarmed',
  'VXLANFDBUpdated',
  'TCPSequenceContinuityVerified',
  'ConnectionCountParity',
  'RelayProgramsLoaded',
  'RelayArmed',
  'OverlayReady',
  'TCPVerified',
  'ServiceVerified',
  'SocketsLive',
  'ProcessResumedAfterSocketsLive',
  'CheckpointKept',
] as const
export type ConditionType = (typeof conditionTypes)[number]
