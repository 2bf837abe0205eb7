// What a move would take, from what the source's agent counted: the rounds of copying ahead are gone through in numbers. Pure.
import type { Inventory } from '../api/agent-wire.ts'
import type { PodMigration, PodMigrationSpec, PodMigrationStatus, Refusal } from '../api/pod-migration.ts'

type Estimate = NonNullable<PodMigrationStatus['estimate']>
type Rounds = Pick<PodMigrationSpec, 'mode' | 'preCopyMaxRounds'>

// Measured with `make bench NAME=memory` on two cores that run everything: hold, criu's own part, restore and commit, then what each process adds.
// Other machines have another pace, and this one from hour to hour: the last moves tell it.
const fixedMs = 130
const perProcessMs = 12
// Dumped in the freeze, written, sent and read: what mode Cold does with all memory.
const perColdMBMs = 5
// Ahead in long runs of pages; what was dirtied last is scattered, and each page has its cost.
const aheadMBPerMs = 0.25
const lastMBPerMs = 0.2
// Files are looked at between the last rounds, and the hold is prepared after the last.
const betweenRoundsMs = 150
const holdMs = 100
// Files that changed are read once more, compared with what the destination has; where the kernel tells, only what was written since the look before.
const perRestlessMBMs = 0.3
// Measured with `make bench NAME=freeze` (decision 0024): sent, too, beside the dump.
const perRewrittenMBMs = 5
const lookedAtBeforeMs = 350
// Copying takes its share of the processors, and the first write to each page after a round costs a fault.
const whileCopied = 0.35
// As the agents do (convergence.ts).
const smallMB = 2
const shrinkFactor = 0.7
// Not everything, else no finite rate would explain it.
const mostTouched = 0.99
// Below this no machine that we measured got, so a budget under it is a certain failure; the agents enforce the real one.
const bestCaseShare = 0.3
// Pod creation, presync and cutover around the freeze.
const aroundSeconds = 6
const writableMBPerSecond = 60
// Enough that one odd move does not count.
const lastMoves = 9
const paceBounds = [0.4, 2.5] as const
const megabyte = 2 ** 20

/** `earlier`: other migrations, of which those that ended well tell the pace. */
export function estimateMove(inventory: Inventory, spec: Rounds, earlier: readonly PodMigration[] = []): Estimate {
  const pace = paceOf(earlier)
  const memoryMB = inventory.memoryBytes / megabyte
  return {
    memoryMB: Math.round(memoryMB),
    freezeMs: Math.round((standingMs(inventory) + memoryMs(inventory, spec) + filesMs(inventory)) * pace),
    totalSeconds: Math.round(aroundSeconds + inventory.writableBytes / megabyte / writableMBPerSecond + memoryMB / aheadMBPerMs / 1000),
    pace: Math.round(pace * 100) / 100,
  }
}

/** What is written while it is copied follows after the freeze in mode PostCopy. */
function memoryMs(inventory: Inventory, spec: Rounds): number {
  if (spec.mode === 'PostCopy') return 0
  return spec.mode === 'Cold' ? (inventory.memoryBytes / megabyte) * perColdMBMs : lastMB(inventory, spec.preCopyMaxRounds) / lastMBPerMs
}

function filesMs({ restlessBytes, watchedBytes, rewrittenBytes, rewrittenInMs }: Inventory): number {
  const writtenMB = changing(watchedBytes, rewrittenBytes, rewrittenInMs)(lookedAtBeforeMs)
  return ((restlessBytes - watchedBytes) / megabyte) * perRestlessMBMs + writtenMB * perRewrittenMBMs
}

/** The middle of what the last moves took over what was reckoned for them; 1 without any. */
function paceOf(earlier: readonly PodMigration[]): number {
  const ended = earlier.flatMap(({ status }) => {
    const { estimate, freeze, completedAt = '' } = status ?? {}
    return status?.phase === 'Complete' && estimate && freeze?.freezeMs
      ? [{ completedAt, pace: (freeze.freezeMs / estimate.freezeMs) * (estimate.pace ?? 1) }]
      : []
  })
  const last = ended.toSorted((one, other) => one.completedAt.localeCompare(other.completedAt)).slice(-lastMoves)
  const paces = last.map(({ pace }) => pace).toSorted((one, other) => one - other)
  const [least, most] = paceBounds
  return Math.min(most, Math.max(least, paces[Math.floor(paces.length / 2)] ?? 1))
}

/** Of a pod that writes nothing. */
function standingMs({ processes }: Inventory): number {
  return fixedMs + processes * perProcessMs
}

/** What is left for the freeze. */
function lastMB({ memoryBytes, touchedBytes, touchedInMs }: Inventory, maximumRounds: number): number {
  const dirtied = changing(memoryBytes, touchedBytes, touchedInMs)
  // The first copies everything, the last one is for what the pod writes while its files are looked at.
  let leftMB = dirtied((memoryBytes / megabyte / aheadMBPerMs) * whileCopied)
  let beforeMB = Number.POSITIVE_INFINITY
  for (let round = 2; round < maximumRounds && leftMB > smallMB && leftMB <= beforeMB * shrinkFactor; round++) {
    beforeMB = leftMB
    leftMB = dirtied((leftMB / aheadMBPerMs) * whileCopied)
  }
  const refreshedMB = dirtied((leftMB / aheadMBPerMs) * whileCopied + betweenRoundsMs)
  return dirtied((refreshedMB / aheadMBPerMs) * whileCopied + holdMs)
}

/** MB of BYTES that differ after some time, when what was CHANGED was any page with the same chance. */
function changing(bytes: number, changedBytes: number, changedInMs: number): (ms: number) => number {
  const share = Math.min(mostTouched, bytes > 0 ? changedBytes / bytes : 0)
  const perMs = -Math.log(1 - share) / changedInMs
  return (ms) => (bytes / megabyte) * (1 - Math.exp(-perMs * ms))
}

/** Touched is more than written, so the best case is that of a pod that only reads. */
export function budgetRefusals(inventory: Inventory, spec: PodMigrationSpec): Refusal[] {
  const bestCaseMs = Math.round(standingMs(inventory) * bestCaseShare)
  if (spec.mode === 'Cold' || bestCaseMs <= spec.freezeWindowBudgetMs) return []
  const { freezeMs, memoryMB } = estimateMove(inventory, spec)
  return [
    {
      code: 'FreezeBudgetTooSmall',
      message: `the freeze is estimated at ${freezeMs} ms (${inventory.processes} processes, ${memoryMB} MB, at best ${bestCaseMs} ms), spec.freezeWindowBudgetMs is ${spec.freezeWindowBudgetMs}`,
      remedy: `set spec.freezeWindowBudgetMs to ${Math.min(10_000, freezeMs * 2)} or more, or use mode Cold`,
    },
  ]
}
