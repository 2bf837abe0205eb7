// Keeps MigrationCheckpoints true: asks the agents now and then what they keep, and performs what follows.
import type { MigrationCheckpoint } from '../api/migration-checkpoint.ts'
import { labels } from '../api/names.ts'
import type { PodMigration } from '../api/pod-migration.ts'
import type { ControllerDeps } from '../controller-deps.ts'
import { isAlreadyExists, isNotFound } from '../kube/client.ts'
import { migrationCheckpointPath, podMigrationPath } from '../kube/paths.ts'
import { messageOf } from '../runtime/errors.ts'
import { log } from '../runtime/log.ts'
import type { Agents } from './agents.ts'
import {
  type CheckpointEffect,
  type CheckpointsSeen,
  decideCheckpoints,
  type NodeAnswer,
  nodesInQuestion,
  speaksOfCheckpoint,
} from './checkpoints.ts'
import { setCondition } from './conditions.ts'
import { addressOf } from './observe.ts'
import { perform as performEffect } from './perform.ts'
import { mergePatchOf } from './status-patch.ts'

const lookEveryMs = 5000

type EffectOf<K extends CheckpointEffect['kind']> = Extract<CheckpointEffect, { kind: K }>

/** Runs until the signal aborts. */
export async function syncCheckpoints(deps: ControllerDeps, agents: Agents, signal: AbortSignal): Promise<void> {
  /** Those that held something when they were last asked: the migration may have gone since. */
  let holding: string[] = []
  while (!signal.aborted) {
    try {
      const seen = await look(deps, agents, holding)
      holding = [...seen.nodes].flatMap(([name, answer]) => (answer === 'gone' || answer.length === 0 ? [] : [name]))
      for (const effects of decideCheckpoints(seen, deps.clock.nowMs())) await performInOrder(deps, agents, effects)
    } catch (error) {
      log.debug({ reason: messageOf(error) }, 'looking at kept checkpoints failed, trying again')
    }
    await deps.clock.sleep(lookEveryMs, signal)
  }
}

/** Migrations first: one that says its object was made speaks of an object that the list has, unless somebody deleted it. */
async function look({ client, caches }: ControllerDeps, agents: Agents, holding: readonly string[]): Promise<CheckpointsSeen> {
  const migrations = caches.migrations.list().filter(({ spec }) => spec.mode === 'Cold')
  // Objects go with their migrations: where none ever promised one there is nothing to look at.
  if (holding.length === 0 && !migrations.some(speaksOfCheckpoint)) return { migrations, objects: [], nodes: new Map(), capacities: [] }
  const objects = (await client.list<MigrationCheckpoint>(migrationCheckpointPath())).items
  const names = new Set([...nodesInQuestion(migrations, objects), ...holding])
  const nodes = await Promise.all([...names].map(async (name) => [name, await ask({ caches }, agents, name)] as const))
  return { migrations, objects, nodes: new Map(nodes), capacities: caches.capacities.list() }
}

async function ask({ caches }: Pick<ControllerDeps, 'caches'>, agents: Agents, nodeName: string): Promise<NodeAnswer> {
  if (!caches.nodes.get(undefined, nodeName)) return 'gone'
  const address = addressOf({ caches }, nodeName)
  return address === undefined ? 'unreachable' : await agents.checkpoints(address)
}

/** What fails is seen again in the next look. */
async function performInOrder(deps: ControllerDeps, agents: Agents, effects: readonly CheckpointEffect[]): Promise<void> {
  try {
    for (const effect of effects) await perform(deps, agents, effect)
  } catch (error) {
    log.warn({ effects: effects.map(({ kind }) => kind), reason: messageOf(error) }, 'effects on a kept checkpoint failed, trying again')
  }
}

async function perform(deps: ControllerDeps, agents: Agents, effect: CheckpointEffect): Promise<void> {
  switch (effect.kind) {
    case 'create':
      return create(deps, effect.object)
    case 'status':
      return writeStatus(deps, effect.object, effect.status)
    case 'delete':
      return deps.client.delete(pathOf(effect.object), effect.object.metadata.uid ? { uid: effect.object.metadata.uid } : {})
    case 'condition':
      return tell(deps, agents, effect)
    case 'removeFiles':
      return removeFiles(deps, agents, effect)
  }
}

async function create(deps: ControllerDeps, object: MigrationCheckpoint): Promise<void> {
  try {
    await deps.client.create(migrationCheckpointPath(object.metadata.namespace), object)
  } catch (error) {
    if (!isAlreadyExists(error) || !(await isOurs(deps, object))) throw error
  }
  await writeStatus(deps, object, object.status ?? {})
}

/** A migration of the same name may have been deleted a moment ago, and its object not collected yet. */
async function isOurs({ client }: ControllerDeps, object: MigrationCheckpoint): Promise<boolean> {
  const found = await client.get<MigrationCheckpoint>(pathOf(object))
  return found.metadata.labels?.[labels.migrationUid] === object.metadata.labels?.[labels.migrationUid]
}

async function writeStatus({ client }: ControllerDeps, object: MigrationCheckpoint, status: MigrationCheckpoint['status']): Promise<void> {
  await client.mergePatch(pathOf(object, 'status'), { status })
}

async function tell(deps: ControllerDeps, agents: Agents, { migration, kept, reason, message }: EffectOf<'condition'>): Promise<void> {
  const { client, caches, clock } = deps
  const { namespace, name, resourceVersion } = migration.metadata
  const verdict = { type: 'CheckpointKept', status: kept ? 'True' : 'False', reason, message } as const
  const status = migration.status ?? {}
  const patch = { metadata: { resourceVersion }, status: mergePatchOf(status, setCondition(status, verdict, clock.nowMs())) }
  caches.migrations.upsert(await client.mergePatch<PodMigration>(podMigrationPath(namespace, name, 'status'), patch))
  const isTrouble = !kept && reason !== 'Expired' && reason !== 'Removed'
  const event = isTrouble
    ? { type: 'Warning' as const, reason: 'CheckpointNotKept' }
    : { type: 'Normal' as const, reason: `Checkpoint${reason}` }
  await performEffect(deps, agents, migration, { kind: 'event', ...event, message })
}

/** Nothing is removed because the cache has not heard of a migration. */
async function removeFiles(deps: ControllerDeps, agents: Agents, { nodeName, uid, migrationName }: EffectOf<'removeFiles'>): Promise<void> {
  if (migrationName !== undefined && (await exists(deps, migrationName, uid))) return
  const address = addressOf(deps, nodeName)
  if (address) await agents.removeCheckpoint(address, uid)
}

async function exists({ client }: ControllerDeps, migrationName: string, uid: string): Promise<boolean> {
  const [namespace, name] = migrationName.split('/')
  try {
    return (await client.get<PodMigration>(podMigrationPath(namespace, name))).metadata.uid === uid
  } catch (error) {
    if (isNotFound(error)) return false
    throw error
  }
}

function pathOf({ metadata }: MigrationCheckpoint, subresource?: string): string {
  return migrationCheckpointPath(metadata.namespace, metadata.name, subresource)
}
