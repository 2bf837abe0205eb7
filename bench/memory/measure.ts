// One move of the heap, ours or by script, and everything that is promised of it: freeze, estimate, when its memory was its own, its contents.
import type { PodMigration, PreCopyRound } from '../../src/api/pod-migration.ts'
import { journalOf, untilInstant } from '../../test/lab/product/journals.ts'
import type { World } from '../../test/lab/product/world.ts'
import { type HeapKind, type HeapPod, heapApp } from '../../test/lab/workloads/heap.ts'
import { movedBy } from '../freeze/our-move.ts'
import { plainMove } from '../freeze/plain-move.ts'
import { at, type Step } from '../freeze/timeline.ts'

export type Load = 'idle' | '10 %/s'

export interface Case {
  sizeMB: number
  kind: HeapKind
  load: Load
}

interface Ends {
  from: string
  to: string
  /** Traffic held until the pod runs; undefined when the move failed. */
  freezeMs: number | undefined
  breakdown: string
  failure: string | undefined
}

interface OurMove extends Ends {
  /** What the product calls its freeze, and what it had said that it would be. */
  frozenMs: number | undefined
  estimatedMs: number | undefined
  /** Memory, images and logs, ahead of the freeze and in it. */
  movedMB: number
  rounds: PreCopyRound[]
  reason: string | undefined
  steps: Step[]
}

export interface Measured extends Case, Ends, Partial<Omit<OurMove, keyof Ends>> {
  by: 'ours' | 'plain'
  /** From the resume until no page waited in the store any more. */
  localMs?: number | undefined
}

const localWithinMs = 60_000

export async function measureMove(world: World, heap: HeapPod, one: Case, by: Measured['by']): Promise<Measured> {
  if (by === 'plain') return { ...one, by, ...(await plainly(world)) }
  const { local, ...move } = await moveHeap(world)
  const localMs = await local()
  const contents = await heap.ask('verify')
  const isWhole = contents.startsWith('ok ')
  return {
    ...one,
    by,
    ...move,
    localMs,
    failure: move.failure ?? (isWhole ? undefined : `its memory is not what it was: ${contents} pages`),
  }
}

async function plainly(world: World): Promise<Ends> {
  const pod = await world.pod(heapApp)
  const from = pod.spec?.nodeName ?? ''
  const to = nextNode(world, from)
  const { freezeMs, breakdown, failure } = await plainMove(world, pod, to, 'verify-heap.sh')
  return { from, to, freezeMs, breakdown, failure }
}

/** To the next node. `local`: from the resume until its memory was its own; at once when the move failed. */
export async function moveHeap(
  world: World,
  wishes: Record<string, unknown> = {},
): Promise<OurMove & { local: () => Promise<number | undefined> }> {
  const pod = await world.pod(heapApp)
  const from = pod.spec?.nodeName ?? ''
  const to = nextNode(world, from)
  // More than the default of rounds: they end by themselves when the last set is small, or stops shrinking.
  const preCopyMaxRounds = 12
  const wish = {
    targetNodeName: to,
    freezeWindowBudgetMs: 10_000,
    tcpPreservationMode: 'Strict',
    preCopyMaxRounds,
    ...wishes,
  }
  const migration = await world.migrate(pod.metadata?.name ?? '', wish)
  const { freezeMs, frozenMs, estimatedMs, steps, breakdown, failure } = movedBy(migration)
  const { preCopy, bytesMoved } = migration.status ?? {}
  return {
    from,
    to,
    freezeMs,
    frozenMs,
    estimatedMs,
    movedMB: Math.round((bytesMoved ?? 0) / 2 ** 20),
    rounds: preCopy?.rounds ?? [],
    reason: preCopy?.reason,
    steps,
    breakdown,
    failure,
    local: async () => (failure === undefined ? await localAfter(world, to, migration, at(steps, 'resumed')) : undefined),
  }
}

/** By the destination's own journal. */
async function localAfter(world: World, to: string, { metadata }: PodMigration, resumedMs = Number.NaN): Promise<number | undefined> {
  const { uid = '' } = metadata
  const node = world.lab.node(to)
  await untilInstant(node, uid, 'state:live', AbortSignal.timeout(localWithinMs))
  const line = journalOf(node, uid)
    .split('\n')
    .find((one) => one.includes('"state":"live"'))
  const liveMs = line === undefined ? Number.NaN : Number(/"atMs":([\d.]+)/.exec(line)?.[1])
  return Number.isFinite(liveMs - resumedMs) ? liveMs - resumedMs : undefined
}

function nextNode(world: World, nodeName: string): string {
  const names = world.lab.nodes.map(({ name }) => name)
  return names[(names.indexOf(nodeName) + 1) % names.length] ?? nodeName
}
