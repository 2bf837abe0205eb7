// Performs one effect of the machine at the edge. Each is idempotent by name: a repeated one finds its work done.
import type { V1Pod } from '@kubernetes/client-node'
import { apiVersion, finalizer } from '../api/names.ts'
import type { PodMigration } from '../api/pod-migration.ts'
import type { ControllerDeps } from '../controller-deps.ts'
import { isAlreadyExists, isConflict, isNotFound, KubeError } from '../kube/client.ts'
import { emitEvent } from '../kube/events.ts'
import { podMigrationPath, podPath } from '../kube/paths.ts'
import { CodedError } from '../runtime/errors.ts'
import { log } from '../runtime/log.ts'
import type { Agents } from './agents.ts'
import type { Effect, News, PodReference } from './decision.ts'
import { addressOf } from './observe.ts'

type EffectOf<K extends Effect['kind']> = Extract<Effect, { kind: K }>

/** `migration` is the object as last written, so that our own writes never conflict with each other. */
export async function perform(deps: ControllerDeps, agents: Agents, migration: PodMigration, effect: Effect): Promise<void> {
  const uid = migration.metadata.uid ?? ''
  switch (effect.kind) {
    case 'addFinalizer':
    case 'removeFinalizer':
      return patchFinalizer(deps, migration, effect.kind === 'addFinalizer')
    case 'awaitDestination':
      return agents.awaitDestination(agentOn(deps, effect.nodeName), uid, effect.request)
    case 'createDestinationPod':
      return createDestinationPod(deps, effect.pod)
    case 'startMove':
      return agents.startMove(agentOn(deps, effect.nodeName), uid, effect.request)
    case 'abort':
      return abort(deps, agents, uid, effect)
    case 'finish':
      return finish(deps, agents, uid, effect)
    case 'resolve':
      return agents.resolve(agentOn(deps, effect.nodeName), uid, effect.verdict)
    case 'deletePod':
      return deletePod(deps, effect)
    case 'patchPod':
      return patchPod(deps, effect)
    case 'event':
      return tell(deps, migration, effect)
  }
}

function agentOn(deps: ControllerDeps, nodeName: string): string {
  const address = addressOf(deps, nodeName)
  if (address) return address
  throw new CodedError(
    'AgentUnreachable',
    `Looking for the agent on ${nodeName}: it has not reported an address: check the agent pod there`,
    { retryable: true },
  )
}

async function patchFinalizer({ client, caches }: ControllerDeps, { metadata }: PodMigration, add: boolean): Promise<void> {
  const others = (metadata.finalizers ?? []).filter((name) => name !== finalizer)
  const patch = { metadata: { resourceVersion: metadata.resourceVersion, finalizers: add ? [...others, finalizer] : others } }
  try {
    caches.migrations.upsert(await client.mergePatch<PodMigration>(podMigrationPath(metadata.namespace, metadata.name), patch))
  } catch (error) {
    // Without its last finalizer a deleted object is gone, perhaps already.
    if (add || !isNotFound(error)) throw error
  }
}

async function createDestinationPod({ client, caches }: ControllerDeps, pod: V1Pod): Promise<void> {
  try {
    caches.pods.upsert(await client.create(podPath(pod.metadata?.namespace), pod))
  } catch (error) {
    if (isAlreadyExists(error)) return
    throw asRefusal(error, `Creating destination pod ${pod.metadata?.name}`)
  }
}

// Quota, pod security and other admission say no every time; everything else may pass.
function asRefusal(error: unknown, doing: string): unknown {
  if (!(error instanceof KubeError) || ![400, 403, 422].includes(error.status)) return error
  return new CodedError(
    'DestinationRefused',
    `${doing}: ${error.message}: the namespace must accept a second pod like the source for the time of the move`,
  )
}

// The way back must not hang on an agent that is away: the next look finds out what it knows.
async function abort(deps: ControllerDeps, agents: Agents, uid: string, { nodeName, reason }: EffectOf<'abort'>): Promise<void> {
  try {
    await agents.abort(agentOn(deps, nodeName), uid, reason)
  } catch (error) {
    log.warn({ err: error, node: nodeName }, 'abort did not reach the agent, asking again')
  }
}

async function finish(
  deps: ControllerDeps,
  agents: Agents,
  uid: string,
  { nodeName, outcome, bestEffort }: EffectOf<'finish'>,
): Promise<void> {
  try {
    await agents.finish(agentOn(deps, nodeName), uid, outcome)
  } catch (error) {
    if (!bestEffort) throw error
    log.warn({ err: error, node: nodeName }, 'last sweep did not reach the agent, which sweeps by itself')
  }
}

async function deletePod({ client }: ControllerDeps, { pod, gracePeriodSeconds }: EffectOf<'deletePod'>): Promise<void> {
  await unlessGone(client.delete(pathOf(pod), { uid: pod.uid, ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }) }))
}

async function patchPod({ client, caches }: ControllerDeps, { pod, patch }: EffectOf<'patchPod'>): Promise<void> {
  // The UID in a patch is a precondition: another pod of the same name is left alone.
  const patched = await unlessGone(client.mergePatch<V1Pod>(pathOf(pod), { metadata: { uid: pod.uid, ...patch.metadata } }))
  if (patched) caches.pods.upsert(patched)
}

/** Not found, or another object under the name by now: what we meant is gone, which is what counts. */
async function unlessGone<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call
  } catch (error) {
    if (isNotFound(error) || isConflict(error)) return undefined
    throw error
  }
}

function pathOf(pod: PodReference): string {
  return podPath(pod.namespace, pod.name)
}

/** On the migration and on its pod: people look at either. */
async function tell(
  { client }: ControllerDeps,
  { metadata, spec, status }: PodMigration,
  { kind: _kind, message, ...text }: News,
): Promise<void> {
  await emitEvent(client, { kind: 'PodMigration', apiVersion, metadata: subject(metadata) }, { ...text, message })
  if (!status?.sourcePodUID) return
  const pod = { name: spec.podName, namespace: spec.podNamespace, uid: status.sourcePodUID }
  await emitEvent(
    client,
    { kind: 'Pod', apiVersion: 'v1', metadata: pod },
    { ...text, message: `PodMigration ${metadata.name}: ${message}` },
  )
}

function subject({ name, namespace, uid }: PodMigration['metadata']) {
  return { name, ...(namespace === undefined ? {} : { namespace }), ...(uid === undefined ? {} : { uid }) }
}
