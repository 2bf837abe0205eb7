// Kept images as objects: what is there at the agents, and what people did to the objects, becomes effects. Pure.
import type { KeptCheckpoint } from '../api/agent-wire.ts'
import type { MigrationCheckpoint, MigrationCheckpointStatus } from '../api/migration-checkpoint.ts'
import { apiVersion, labels } from '../api/names.ts'
import type { NodeMigrationCapacity } from '../api/node-migration-capacity.ts'
import type { Condition, PodMigration } from '../api/pod-migration.ts'
import { isoTime } from './conditions.ts'
import type { Instant } from './observed.ts'

/** From the end of the move; before that the source's agent may not have heard of it. */
const comesWithinMs = 300_000
/** The images go by the clock of their node. */
const clocksDifferMs = 60_000

/** `gone`: the node itself is. */
export type NodeAnswer = readonly KeptCheckpoint[] | 'unreachable' | 'gone'

export interface CheckpointsSeen {
  /** As they were before the objects were listed. */
  migrations: readonly PodMigration[]
  objects: readonly MigrationCheckpoint[]
  nodes: ReadonlyMap<string, NodeAnswer>
  capacities: readonly NodeMigrationCapacity[]
}

export type CheckpointEffect =
  | { kind: 'create'; object: MigrationCheckpoint }
  | { kind: 'status'; object: MigrationCheckpoint; status: MigrationCheckpointStatus }
  | { kind: 'delete'; object: MigrationCheckpoint }
  | { kind: 'condition'; migration: PodMigration; kept: boolean; reason: string; message: string }
  /** Its object is gone, or (`migrationName`, to be looked up once more) its migration. */
  | { kind: 'removeFiles'; nodeName: string; uid: string; migrationName?: string }

/** Nodes that may hold something that an object or a migration speaks of. */
export function nodesInQuestion(migrations: readonly PodMigration[], objects: readonly MigrationCheckpoint[]): Set<string> {
  const sources = migrations
    .filter((migration) => isAwaited(migration) || isKept(migration))
    .flatMap(({ status }) => status?.sourceNode ?? [])
  return new Set([...sources, ...objects.map(({ spec }) => spec.nodeName)])
}

/** Of each list the effects in order: the first that fails ends it. */
export function decideCheckpoints(seen: CheckpointsSeen, nowMs: Instant): CheckpointEffect[][] {
  const decisions = [
    ...seen.migrations.map((migration) => ofMigration(migration, seen, nowMs)),
    ...seen.objects.map((object) => ofObject(object, seen, nowMs)),
    ...[...seen.nodes].flatMap(([nodeName, answer]) => ofNobody(nodeName, answer, seen)),
  ]
  return decisions.filter((effects) => effects.length > 0)
}

function ofMigration(migration: PodMigration, seen: CheckpointsSeen, nowMs: Instant): CheckpointEffect[] {
  const nodeName = migration.status?.sourceNode ?? ''
  const answer = seen.nodes.get(nodeName) ?? 'unreachable'
  const kept = find(answer, migration.metadata.uid)
  if (isAwaited(migration)) return awaited(migration, nodeName, answer, kept, seen, nowMs)
  if (!isKept(migration) || seen.objects.some((object) => uidOf(object) === migration.metadata.uid)) return []
  if (answer === 'unreachable') return []
  const removed: CheckpointEffect = {
    kind: 'condition',
    migration,
    kept: false,
    reason: 'Removed',
    message: `MigrationCheckpoint ${migration.metadata.name} is gone, and the images on ${nodeName} with it`,
  }
  return kept ? [{ kind: 'removeFiles', nodeName, uid: kept.uid }, removed] : [removed]
}

function awaited(
  migration: PodMigration,
  nodeName: string,
  answer: NodeAnswer,
  kept: KeptCheckpoint | undefined,
  seen: CheckpointsSeen,
  nowMs: Instant,
): CheckpointEffect[] {
  const isNot = (reason: string, message: string): CheckpointEffect[] => [{ kind: 'condition', migration, kept: false, reason, message }]
  if (answer === 'gone') return isNot('NodeGone', `node ${nodeName} is gone, and the images with it`)
  if (kept?.phase === 'Keeping' || answer === 'unreachable') return []
  if (!kept) return isOverdue(migration, nowMs) ? isNot('NotThere', `the agent on ${nodeName} has no images of this move: see its log`) : []
  const object = objectFor(migration, nodeName, kept, seen.capacities)
  const { expiresAt, sizeBytes } = object.spec
  const verdict: CheckpointEffect =
    kept.phase === 'Ready'
      ? {
          kind: 'condition',
          migration,
          kept: true,
          reason: 'Kept',
          message: keptMessage(object.metadata.name, sizeBytes, nodeName, expiresAt),
        }
      : { kind: 'condition', migration, kept: false, reason: 'NotKept', message: kept.message ?? 'the images could not be kept' }
  return [{ kind: 'create', object }, verdict]
}

function keptMessage(name: string, sizeBytes: number, nodeName: string, expiresAt: string | undefined): string {
  return `MigrationCheckpoint ${name}: ${(sizeBytes / 2 ** 20).toFixed(1)} MB on ${nodeName} until ${expiresAt}`
}

function ofObject(object: MigrationCheckpoint, seen: CheckpointsSeen, nowMs: Instant): CheckpointEffect[] {
  const { nodeName, expiresAt } = object.spec
  const answer = seen.nodes.get(nodeName) ?? 'unreachable'
  const leftMs = expiresAt === undefined ? Infinity : Date.parse(expiresAt) - nowMs
  if (answer === 'unreachable')
    return leftMs <= 0 ? become(object, 'Expired', `${nodeName} does not answer; its agent removes the images when it is back`) : []
  const kept = find(answer, uidOf(object))
  if (kept) return kept.phase === 'Keeping' ? [] : become(object, kept.phase, kept.message)
  if (leftMs <= clocksDifferMs) return [...expired(object, seen), { kind: 'delete', object }]
  return become(
    object,
    'Lost',
    answer === 'gone' ? `node ${nodeName} is gone, and the images with it` : `the images are not on ${nodeName} any more`,
  )
}

function become(object: MigrationCheckpoint, phase: MigrationCheckpointStatus['phase'], message = ''): CheckpointEffect[] {
  if (object.status?.phase === phase && (object.status?.message ?? '') === message) return []
  return [{ kind: 'status', object, status: { phase, message } }]
}

/** Said first: without its object the migration could not tell why that is gone. */
function expired(object: MigrationCheckpoint, { migrations }: CheckpointsSeen): CheckpointEffect[] {
  const migration = migrations.find(({ metadata }) => metadata.uid === uidOf(object))
  if (!migration || !isKept(migration)) return []
  const message = `MigrationCheckpoint ${object.metadata.name} expired at ${object.spec.expiresAt}`
  return [{ kind: 'condition', migration, kept: false, reason: 'Expired', message }]
}

/** The migration was deleted, and its object collected with it. */
function ofNobody(nodeName: string, answer: NodeAnswer, { migrations }: CheckpointsSeen): CheckpointEffect[][] {
  if (typeof answer === 'string') return []
  return answer
    .filter(({ uid }) => !migrations.some(({ metadata }) => metadata.uid === uid))
    .map(({ uid, migrationName }) => [{ kind: 'removeFiles', nodeName, uid, migrationName }])
}

function objectFor(
  { metadata }: PodMigration,
  nodeName: string,
  kept: KeptCheckpoint,
  capacities: readonly NodeMigrationCapacity[],
): MigrationCheckpoint {
  const { name, namespace, uid = '' } = metadata
  const { podName, podUid, path, sizeBytes, digest, expiresAtMs } = kept
  const requiredFeatures = featuresOf(capacities.find(({ spec }) => spec.nodeName === nodeName))
  return {
    apiVersion,
    kind: 'MigrationCheckpoint',
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      labels: { [labels.migrationUid]: uid },
      ownerReferences: [{ apiVersion, kind: 'PodMigration', name, uid }],
    },
    spec: { podName, podUID: podUid, nodeName, path, sizeBytes, digest, requiredFeatures, expiresAt: isoTime(expiresAtMs) },
    status: { phase: kept.phase === 'Ready' ? 'Ready' : 'Failed', message: kept.message ?? '' },
  }
}

function featuresOf(capacity: NodeMigrationCapacity | undefined): string[] {
  const { architecture, kernel, criuVersion, cpuFeatures = [] } = capacity?.status ?? {}
  const named = { architecture, kernel, criu: criuVersion }
  return [
    ...Object.entries(named).flatMap(([name, value]) => (value === undefined ? [] : [`${name}:${value}`])),
    ...cpuFeatures.map((feature) => `cpu:${feature}`),
  ]
}

function find(answer: NodeAnswer, uid: string | undefined): KeptCheckpoint | undefined {
  return typeof answer === 'string' ? undefined : answer.find((kept) => kept.uid === uid)
}

function uidOf({ metadata }: MigrationCheckpoint): string | undefined {
  return metadata.labels?.[labels.migrationUid]
}

function keptCondition({ status }: PodMigration): Condition | undefined {
  return status?.conditions?.find(({ type }) => type === 'CheckpointKept')
}

export function speaksOfCheckpoint(migration: PodMigration): boolean {
  return keptCondition(migration) !== undefined
}

/** Promised before the move, and nobody has seen it yet. */
function isAwaited(migration: PodMigration): boolean {
  return migration.status?.committedAt !== undefined && keptCondition(migration)?.status === 'Unknown'
}

function isKept(migration: PodMigration): boolean {
  return keptCondition(migration)?.status === 'True'
}

function isOverdue({ status }: PodMigration, nowMs: Instant): boolean {
  return status?.completedAt !== undefined && nowMs - Date.parse(status.completedAt) > comesWithinMs
}
