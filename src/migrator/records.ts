// What the two agents' records say together: steps in order, the phase they stand for, numbers for the status.
import type { MoveRecord, MoveStep } from '../api/agent-wire.ts'
import { sourceLost, trafficHeld } from '../api/names.ts'
import type { Phase } from '../api/phases.ts'
import type { PodMigrationStatus } from '../api/pod-migration.ts'
import { conditionsFromSteps, isoTime, setCondition } from './conditions.ts'
import { type AgentAnswer, isRecord, type Observed } from './observed.ts'

export type Steps = MoveRecord['steps']

/** The failure of a move whose destination's node went away for good between grant and commit, as far as anybody knows. */
export const destinationGone = 'DestinationGone'

const longestTimeline = 100
const mostWarnings = 20

/** Steps of both sides by their real time; one that both sides tell is told once. */
export function mergeSteps(...answers: readonly AgentAnswer[]): Steps {
  const seen = new Set<string>()
  return answers
    .flatMap((answer) => (isRecord(answer) ? answer.steps : []))
    .filter(({ step, node }) => !seen.has(`${step} ${node}`) && seen.add(`${step} ${node}`))
    .toSorted((a, b) => a.atMs - b.atMs)
}

/** After this step the move is in that phase: the phase names what happens now, not what is done. */
const phaseAfterStep: readonly [MoveStep, Phase][] = [
  ['resumed', 'TCPVerifying'],
  ['committed', 'DisengageHold'],
  ['granted', 'DisengageHold'],
  ['restored', 'RestoreSocketReattach'],
  ['transferred', 'Restoring'],
  ['dumped', 'Transferring'],
  ['frozen', 'StateCapture'],
  ['diverted', 'FinalFreeze'],
  ['armed', 'OverlayHandoff'],
]

export function phaseOfTimeline(timeline: PodMigrationStatus['timeline']): Phase {
  const done = new Set(timeline?.map(({ step }) => step))
  return phaseAfterStep.find(([step]) => done.has(step))?.[1] ?? 'ZeroWindowArm'
}

export function isGranted(status: PodMigrationStatus, observed: Observed): boolean {
  return status.granted === true || isCommitted(status, observed) || (isRecord(observed.source) && observed.source.state === 'granted')
}

export function isCommitted(status: PodMigrationStatus, observed: Observed): boolean {
  if (status.committedAt !== undefined) return true
  return !isDestinationGone(status, observed) && [observed.source, observed.destination].some(saysCommitted)
}

export function saysCommitted(answer: AgentAnswer): boolean {
  if (!isRecord(answer)) return false
  return answer.state === 'committed' || answer.state === 'live' || answer.steps.some(({ step }) => step === 'committed')
}

/**
 * The source has its pod again although it granted it: the destination was proven to be gone, which is declared before the source is told. What
 * such a destination says when it comes back after all is the story of a copy that died.
 */
function isDestinationGone(status: PodMigrationStatus, { source }: Observed): boolean {
  const hasGivenUp = isRecord(source) && (source.state === 'aborted' || source.state === 'finished') && !saysCommitted(source)
  return hasGivenUp || (status.failure?.code === destinationGone && !saysCommitted(source))
}

/** Copies what the agents journalled into the status, with their real times. Nothing that was seen once is forgotten. */
export function recordIntoStatus(status: PodMigrationStatus, observed: Observed): PodMigrationStatus {
  const steps = mergeSteps(observed.source, observed.destination)
  if (steps.length === 0) return status
  let next: PodMigrationStatus = { ...status, timeline: timelineOf(status, steps) }
  next = relayConditions(conditionsFromSteps(next, steps), observed, steps)
  const committed = steps.find(({ step }) => step === 'committed')
  if (committed && !next.committedAt && !isDestinationGone(status, observed)) next.committedAt = isoTime(committed.atMs)
  if (isGranted(status, observed)) next.granted = true
  return stillHeld({ ...next, ...numbersOf(status, observed, steps), ...warningsOf(status, observed) }, steps)
}

function stillHeld(status: PodMigrationStatus, steps: Steps): PodMigrationStatus {
  const message = heldTraffic(status)
  if (message === undefined) return status
  return setCondition(status, { type: 'ZeroWindowDisarmed', status: 'False', reason: trafficHeld, message }, steps.at(-1)?.atMs ?? 0)
}

/** What the destination says of packets that it could not let into the committed pod, until it could. */
export function heldTraffic({ warnings = [], timeline = [] }: PodMigrationStatus): string | undefined {
  if (timeline.some(({ step }) => step === 'released')) return undefined
  return warnings.find((warning) => warning.startsWith(trafficHeld))
}

/** Rules and routes of the relay are there when the destination is armed; its flows are seen in the table while they are held. */
function relayConditions(status: PodMigrationStatus, observed: Observed, steps: Steps): PodMigrationStatus {
  const told = [observed.source, observed.destination].filter(isRecord).find(({ flows }) => flows !== undefined)?.flows
  if (!told) return status
  const through = `${told.relayed} flow(s) go through ${told.relayedThrough.join(', ')} until they end`
  const proofs = [
    ['RelayProgramsLoaded', 'armed', 'RoutesLaid'],
    ['RelayArmed', 'verified', 'FlowsRelayed'],
  ] as const
  return proofs.reduce((next, [type, step, reason]) => {
    const done = steps.find((one) => one.step === step)
    if (!done) return next
    if (told.relayed === 0)
      return setCondition(next, { type, status: 'False', reason: 'NotNeeded', message: 'no flow needs a relay' }, done.atMs)
    return setCondition(next, { type, status: 'True', reason, message: through }, done.atMs)
  }, status)
}

function warningsOf(status: PodMigrationStatus, { source, destination }: Observed): Pick<PodMigrationStatus, 'warnings'> {
  const told = [source, destination].filter(isRecord).flatMap(({ warnings }) => warnings)
  const all = [...new Set([...(status.warnings ?? []), ...told])]
  return all.length === 0 ? {} : { warnings: all.slice(0, mostWarnings) }
}

function timelineOf(status: PodMigrationStatus, steps: Steps): NonNullable<PodMigrationStatus['timeline']> {
  const told = steps.map(({ step, atMs, node }) => ({ step, at: isoTime(atMs), node }))
  // An agent that forgot (swept, reinstalled) does not make the story shorter.
  const older = (status.timeline ?? []).filter((entry) => !told.some(({ step, node }) => step === entry.step && node === entry.node))
  return [...older, ...told].toSorted((a, b) => a.at.localeCompare(b.at)).slice(-longestTimeline)
}

function numbersOf(status: PodMigrationStatus, observed: Observed, steps: Steps): Partial<PodMigrationStatus> {
  const records = [observed.destination, observed.source].filter(isRecord)
  const told = <K extends keyof MoveRecord>(key: K) => records.find((record) => record[key] !== undefined)?.[key]
  const numbers: Partial<PodMigrationStatus> = {}
  const [bytesMoved, connections, sequenceDelta, flows] = [told('bytesMoved'), told('connections'), told('sequenceDelta'), told('flows')]
  if (bytesMoved !== undefined) numbers.bytesMoved = bytesMoved
  if (connections !== undefined) numbers.connections = connections
  if (sequenceDelta !== undefined) numbers.sequenceDelta = sequenceDelta
  if (flows !== undefined) numbers.flows = flows
  const preCopy = told('preCopy')
  if (preCopy) numbers.preCopy = preCopy
  const mode = told('mode')
  if (mode) numbers.mode = mode
  const postCopy = isCommitted(status, observed) && postCopyOf(told('stayedMB'), told('atSourceMB') ?? leftWhenLive(observed), status)
  if (postCopy) numbers.postCopy = postCopy
  const freeze = freezeOf(told('freezeMs'), told('holdMs'), steps)
  return freeze ? { ...numbers, freeze: { ...status.freeze, ...freeze } } : numbers
}

/** It came so fast that nobody counted. */
function leftWhenLive({ destination }: Observed): number | undefined {
  return isRecord(destination) && (destination.state === 'live' || destination.state === 'finished') ? 0 : undefined
}

/** Until the destination has counted, all of it is where it stayed. */
function postCopyOf(stayedMB = 0, atSourceMB: number | undefined, { postCopy }: PodMigrationStatus): PodMigrationStatus['postCopy'] {
  const stayed = stayedMB || postCopy?.stayedMB
  if (!stayed) return undefined
  return { stayedMB: stayed, atSourceMB: atSourceMB ?? postCopy?.atSourceMB ?? stayed }
}

/** What the destination says of a container that was started anew because its memory was lost with the source. */
export function memoryLoss({ warnings = [] }: PodMigrationStatus): string | undefined {
  return warnings.find((warning) => warning.startsWith(sourceLost))
}

const freezeBegins: MoveStep = 'frozen'

function freezeOf(freezeMs: number | undefined, holdMs: number | undefined, steps: Steps): PodMigrationStatus['freeze'] {
  const begin = steps.findIndex(({ step }) => step === freezeBegins)
  if (begin < 0) return undefined
  const inside = steps.slice(begin)
  const lengths = inside.slice(1).map(({ step, atMs }, index) => ({ name: step, ms: roundMs(atMs - (inside[index]?.atMs ?? atMs)) }))
  const lastRunning = inside.findIndex(({ step }) => step === 'resumed' || step === 'thawed')
  return {
    ...(freezeMs === undefined ? {} : { freezeMs: roundMs(freezeMs) }),
    ...(holdMs === undefined ? {} : { holdMs: roundMs(holdMs) }),
    steps: lastRunning < 0 ? lengths : lengths.slice(0, lastRunning),
  }
}

function roundMs(ms: number): number {
  return Math.round(ms * 10) / 10
}

/** Parity and continuity as the agents measured them while the traffic was held. */
export function tcpConditions(status: PodMigrationStatus, atMs: number): PodMigrationStatus {
  const { connections, sequenceDelta } = status
  let next = status
  if (connections) {
    const kept = connections.lost === 0
    const message = `${connections.source} connections on the source, ${connections.destination} on the destination, ${connections.lost} lost`
    next = setCondition(
      next,
      { type: 'ConnectionCountParity', status: kept ? 'True' : 'False', reason: kept ? 'AllKept' : 'SomeLost', message },
      atMs,
    )
  }
  if (sequenceDelta !== undefined) {
    const equal = sequenceDelta === 0
    const message = `sum of sequence differences: ${sequenceDelta}`
    const reason = equal ? 'Equal' : 'Different'
    next = setCondition(next, { type: 'TCPSequenceContinuityVerified', status: equal ? 'True' : 'False', reason, message }, atMs)
  }
  return next
}
