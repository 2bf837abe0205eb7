// What happens to the world besides the moves: drawn from the seed before anything runs, so that it can be read, replayed and cut down.
import type { Dice } from './dice.ts'

/** When: at a time, or when the n-th point with this label is passed (`node` then means that point's node). */
export type When = { atMs: number } | { label: string; count: number; delayMs: number }

export type Happening =
  | { kind: 'move'; pod: number; target: number; budgetMs: number; completionSeconds: number; keep: boolean }
  | { kind: 'killAgent'; side: Side; downMs: number }
  | { kind: 'killController'; replica: number; downMs: number }
  | { kind: 'reboot'; side: Side; downMs: number }
  /** Its Node object is deleted; `backAfterMs`: after that it comes back all the same, and kubelet registers it anew. */
  | { kind: 'powerOffForGood'; side: Side; deleteAfterMs: number; backAfterMs: number | undefined }
  | { kind: 'cut'; from: string; to: string; ms: number; bothWays: boolean }
  | { kind: 'cutMove'; way: 'forth' | 'back' | 'both'; ms: number }
  /** The controllers are not answered any more by the source, but still heard. */
  | { kind: 'muteSource'; ms: number }
  | { kind: 'wire'; loss: number; duplication: number; lateness: number; ms: number }
  | { kind: 'apiDown'; ms: number }
  | { kind: 'apiErrors'; chance: number; ms: number }
  | { kind: 'watchesSilent'; ms: number }
  | { kind: 'compact' }
  | { kind: 'standStill'; side: Side | 'controllers'; ms: number }
  | { kind: 'clockJump'; side: Side | 'controllers'; ms: number }
  | { kind: 'diskFull'; side: Side; ms: number; eatsReserve: boolean }
  /** What waits for a pod cannot be let in. */
  | { kind: 'letInFails'; side: Side; ms: number }
  | { kind: 'crashContainer'; pod: number }
  | { kind: 'crashCopy' }
  | { kind: 'deleteSource' }
  | { kind: 'deleteDestination' }
  | { kind: 'deleteMigration' }
  | { kind: 'secondMove'; target: number }
  | { kind: 'drain'; side: Side; uncordonAfterMs: number | undefined }
  | { kind: 'scale'; replicas: number }
  | { kind: 'deleteReplicaSet' }

export type Side = 'here' | 'source' | 'destination' | 'na' | 'nb' | 'nc'

export interface Event {
  when: When
  what: Happening
}

export interface Plan {
  seed: number
  replicas: number
  events: Event[]
}

/** Points of a move in their order; a fault may strike at any. */
export const labels = [
  'opened -> destination awaiting',
  'standing -> destination standing',
  'opened -> source preparing',
  'proceed -> source moving',
  'step:presync',
  'step:armed',
  'freeze -> source frozen',
  'hold -> destination holding',
  'step:held',
  'step:diverted',
  'step:frozen',
  'step:locked',
  'step:dumped',
  'step:transferred',
  'restore -> destination restoring',
  'step:restored',
  'held -> destination held',
  'step:verified',
  'verified -> source granted',
  'step:granted',
  'grant -> destination committed',
  'step:committed',
  'step:socketsLive',
  'step:released',
  'step:resumed',
  'live -> destination live',
  'outcome -> source committed',
  'failed -> source aborted',
  'abort -> source aborted',
  'abort -> destination aborted',
  'step:thawed',
  'step:undone',
  'settled -> source aborted',
  'finish -> source finished',
  'step:sourceEnded',
  'finish -> destination finished',
] as const

const firstMoveMs = 3000
/** All faults have ended by then; from there on everything has to come to rest. */
export const healedAtMs = 60_000

export function drawPlan(seed: number, moves: number, dice: Dice): Plan {
  const events: Event[] = []
  for (let count = 0; count < moves; count++) events.push({ when: { atMs: dice.between(firstMoveMs, 20_000) }, what: drawMove(dice) })
  const faults = dice.chance(0.05) ? 0 : dice.integer(1, 5)
  for (let count = 0; count < faults; count++) events.push({ when: drawWhen(dice), what: drawFault(dice) })
  if (dice.chance(0.5)) events.push(...drawAtTheGrant(dice))
  const replicas = dice.integer(1, 3)
  if (dice.chance(0.1)) events.push(...drawAtTheCommit(dice))
  return { seed, replicas, events }
}

/** Where everything is decided: the two agents cannot hear each other well just then, and something else happens as well. */
function drawAtTheGrant(dice: Dice): Event[] {
  const count = dice.integer(1, 2)
  const deaf = dice.pick<() => Happening>([
    () => ({ kind: 'cutMove', way: dice.pick(['forth', 'back', 'both']), ms: dice.pick([300, 3000, 25_000]) }),
    () => ({ kind: 'wire', loss: 0, duplication: 0.5, lateness: 0.5, ms: 20_000 }),
    () => ({ kind: 'wire', loss: 0, duplication: 0.5, lateness: 0.8, ms: 2000 }),
    () => ({ kind: 'standStill', side: 'destination', ms: dice.pick([1000, 4000, 18_000]) }),
  ])
  const then = dice.pick<() => Happening>([
    () => ({ kind: 'killAgent', side: 'source', downMs: 500 }),
    () => ({ kind: 'killAgent', side: 'destination', downMs: 500 }),
    () => ({ kind: 'reboot', side: 'source', downMs: 3000 }),
    () => ({ kind: 'reboot', side: 'destination', downMs: 3000 }),
    () => ({ kind: 'deleteMigration' }),
    () => ({ kind: 'deleteMigration' }),
    () => ({ kind: 'standStill', side: 'source', ms: 3000 }),
    () => ({
      kind: 'powerOffForGood',
      side: 'destination',
      deleteAfterMs: dice.pick([300, 5000]),
      backAfterMs: dice.pick([undefined, 500, 4000]),
    }),
  ])
  const early = dice.pick(['step:restored', 'held -> destination held', 'step:verified'])
  const late = dice.pick([
    'step:restored',
    'step:verified',
    'step:granted',
    'step:granted',
    'step:granted',
    'grant -> destination committed',
  ])
  const delayMs = dice.pick([0, dice.between(0, 5), dice.between(0, 50), dice.between(0, 5000)])
  const mute: Event[] = dice.chance(0.3)
    ? [{ when: { label: 'step:dumped', count, delayMs: 0 }, what: { kind: 'muteSource', ms: 25_000 } }]
    : []
  return [...mute, { when: { label: early, count, delayMs: 0 }, what: deaf() }, { when: { label: late, count, delayMs }, what: then() }]
}

function drawAtTheCommit(dice: Dice): Event[] {
  const when: When = { label: 'step:committed', count: dice.integer(1, 2), delayMs: 0 }
  const fails: Event = { when, what: { kind: 'letInFails', side: 'destination', ms: dice.pick([300, 4000, 30_000]) } }
  if (dice.chance(0.5)) return [fails]
  const kill: Happening = { kind: 'killAgent', side: 'destination', downMs: 500 }
  return [fails, { when: { ...when, delayMs: dice.between(0, 10_000) }, what: kill }]
}

function drawMove(dice: Dice): Happening {
  return {
    kind: 'move',
    pod: dice.integer(0, 3),
    target: dice.integer(-1, 2),
    budgetMs: dice.pick([400, 700, 2000]),
    completionSeconds: dice.pick([30, 60, 120]),
    keep: dice.chance(0.05),
  }
}

function drawWhen(dice: Dice): When {
  if (dice.chance(0.25)) return { atMs: dice.between(1000, 30_000) }
  return { label: dice.pick(labels), count: dice.integer(1, 2), delayMs: dice.chance(0.6) ? 0 : dice.between(0.1, 40) }
}

const sides: readonly Side[] = ['here', 'here', 'source', 'destination']
const places = ['na', 'nb', 'nc', 'c0', 'c1', 'api']

const faults: [number, (dice: Dice) => Happening][] = [
  [10, (dice) => ({ kind: 'killAgent', side: dice.pick(sides), downMs: dice.pick([500, 5000, 40_000]) })],
  [5, (dice) => ({ kind: 'killController', replica: dice.integer(0, 1), downMs: dice.pick([500, 20_000]) })],
  [5, (dice) => ({ kind: 'reboot', side: dice.pick(sides), downMs: dice.pick([3000, 30_000]) })],
  [
    2,
    (dice) => ({
      kind: 'powerOffForGood',
      side: dice.pick(sides),
      deleteAfterMs: dice.between(300, 60_000),
      backAfterMs: dice.chance(0.4) ? dice.between(300, 20_000) : undefined,
    }),
  ],
  [
    6,
    (dice) => ({
      kind: 'cut',
      from: dice.pick(places),
      to: dice.pick(places),
      ms: dice.pick([300, 3000, 30_000]),
      bothWays: dice.chance(0.6),
    }),
  ],
  [
    4,
    (dice) => ({
      kind: 'wire',
      loss: dice.pick([0, 0.1, 0.3]),
      duplication: dice.pick([0, 0.3]),
      lateness: dice.pick([0, 0.2]),
      ms: dice.pick([3000, 30_000]),
    }),
  ],
  [2, (dice) => ({ kind: 'apiDown', ms: dice.pick([2000, 20_000]) })],
  [2, (dice) => ({ kind: 'apiErrors', chance: dice.pick([0.05, 0.3]), ms: 20_000 })],
  [3, (dice) => ({ kind: 'watchesSilent', ms: dice.pick([2000, 15_000]) })],
  [2, () => ({ kind: 'compact' })],
  [5, (dice) => ({ kind: 'standStill', side: dice.pick([...sides, 'controllers']), ms: dice.pick([300, 3000, 20_000]) })],
  [2, (dice) => ({ kind: 'clockJump', side: dice.pick([...sides, 'controllers']), ms: dice.pick([-3_600_000, -5000, 5000, 3_600_000]) })],
  [3, (dice) => ({ kind: 'diskFull', side: dice.pick(sides), ms: dice.pick([2000, 20_000]), eatsReserve: dice.chance(0.3) })],
  [2, (dice) => ({ kind: 'crashContainer', pod: dice.integer(0, 3) })],
  [2, () => ({ kind: 'crashCopy' })],
  [2, () => ({ kind: 'deleteSource' })],
  [2, () => ({ kind: 'deleteDestination' })],
  [4, () => ({ kind: 'deleteMigration' })],
  [2, (dice) => ({ kind: 'secondMove', target: dice.integer(-1, 2) })],
  [
    3,
    (dice) => ({
      kind: 'drain',
      side: dice.pick(['na', 'nb', 'nc']),
      uncordonAfterMs: dice.chance(0.5) ? dice.between(1000, 30_000) : undefined,
    }),
  ],
  [1, (dice) => ({ kind: 'scale', replicas: dice.integer(1, 4) })],
  [1, () => ({ kind: 'deleteReplicaSet' })],
]
const weight = faults.reduce((sum, [share]) => sum + share, 0)

function drawFault(dice: Dice): Happening {
  let left = dice.next() * weight
  for (const [share, draw] of faults) {
    left -= share
    if (left < 0) return draw(dice)
  }
  return { kind: 'compact' }
}

export function describeEvent({ when, what }: Event): string {
  const at =
    'atMs' in when
      ? `at ${(when.atMs / 1000).toFixed(3)} s`
      : `at point "${when.label}" (no. ${when.count}) + ${when.delayMs.toFixed(1)} ms`
  const { kind, ...rest } = what
  const words = Object.entries(rest).map(
    ([key, value]) => `${key}=${typeof value === 'number' ? Math.round(value * 100) / 100 : String(value)}`,
  )
  return `${at}: ${kind} ${words.join(' ')}`.trimEnd()
}
