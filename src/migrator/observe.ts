// Gathers what is true now for one migration: the agents and the application are asked, everything else comes from the caches.
import type { V1PersistentVolumeClaim, V1Pod, V1ResourceQuota } from '@kubernetes/client-node'
import type { Phase } from '../api/phases.ts'
import type { ControllerDeps } from '../controller-deps.ts'
import { rankDestinations } from '../extender/rank.ts'
import { isNotFound } from '../kube/client.ts'
import { migrationPolicyPath, persistentVolumeClaimPath } from '../kube/paths.ts'
import { messageOf } from '../runtime/errors.ts'
import { log } from '../runtime/log.ts'
import type { Agents } from './agents.ts'
import { askApplication } from './application-probe.ts'
import { inventoryRequest } from './inventory.ts'
import type { AgentAnswer, Migration, Observed } from './observed.ts'
import { followedPhases } from './phases/follow.ts'
import { isReady } from './pod-containers.ts'
import { findDestinationPod, findSourcePod, ownerExists, siblingsOf } from './pod-lookup.ts'
import { quotaRefusals } from './quota.ts'
import type { ClaimAccessModes } from './volumes.ts'

/** The part that takes time: asked first, without holding anything. */
export type Asked = Pick<
  Observed,
  'claims' | 'quotaRefusals' | 'policyExists' | 'source' | 'destination' | 'inventory' | 'inventoryProblem' | 'probe'
>

const nothingAsked: Asked = {
  claims: undefined,
  quotaRefusals: [],
  policyExists: true,
  source: 'unasked',
  destination: 'unasked',
  inventory: 'unasked',
  probe: 'unasked',
}

const asksBoth: readonly Phase[] = [...followedPhases, 'TCPVerifying', 'CutoverComplete', 'RollingBack']

export async function ask(deps: ControllerDeps, agents: Agents, migration: Migration): Promise<Asked> {
  const phase = migration.status.phase ?? 'Pending'
  if (phase === 'Validating') return askBeforeMove(deps, agents, migration)
  if (phase === 'SocketInventory') return { ...nothingAsked, ...(await askInventory(deps, agents, migration, undefined)) }
  if (phase === 'DestinationPrewarm')
    return { ...nothingAsked, destination: await askRecord(deps, agents, migration, migration.status.destinationNode) }
  if (phase === 'ServiceVerifying')
    return { ...nothingAsked, ...(await askBoth(deps, agents, migration)), probe: await askProbe(deps, migration) }
  return asksBoth.includes(phase) ? { ...nothingAsked, ...(await askBoth(deps, agents, migration)) } : nothingAsked
}

/** The part that must be of one instant with the decision: reads the caches, awaits nothing. */
export function look(deps: ControllerDeps, migration: Migration, asked: Asked): Observed {
  const { caches } = deps
  const sourcePod = findSourcePod(migration, caches.pods)
  const destinationPod = findDestinationPod(migration, caches.pods)
  return {
    ...asked,
    sourcePod,
    destinationPod,
    siblings: migration.status.phase === 'CutoverComplete' ? siblingsOf(sourcePod, migration.status.destinationPodName, caches.pods) : [],
    ownerExists: ownerExists(sourcePod, destinationPod, caches.replicaSets),
    nodes: caches.nodes.list(),
    capacities: caches.capacities.list(),
    migrations: caches.migrations.list().filter((other) => other.metadata.uid !== migration.metadata.uid),
    candidates: candidatesFor(deps, migration, sourcePod),
    serviceIps: serviceIps(deps),
    checkpointRetentionSeconds: deps.checkpointRetentionSeconds ?? 0,
  }
}

const choosing: readonly Phase[] = ['Validating', 'SocketInventory']

function isChoosing(migration: Migration): boolean {
  return choosing.includes(migration.status.phase ?? 'Pending')
}

/** Phases that look at what other migrations do before they act: they see each other only one after the other. */
const takingTurns: readonly Phase[] = ['Pending', ...choosing, 'DestinationPrewarm']

export function takesTurns(migration: Migration): boolean {
  return takingTurns.includes(migration.status.phase ?? 'Pending')
}

function candidatesFor(deps: ControllerDeps, migration: Migration, pod: V1Pod | undefined): Observed['candidates'] {
  if (!pod?.spec?.nodeName || !isChoosing(migration)) return []
  const { caches, clock } = deps
  const ranked = rankDestinations(pod, {
    nodes: caches.nodes.list(),
    pods: caches.pods.list(),
    capacities: caches.capacities.list(),
    migrations: caches.migrations.list().filter((other) => other.metadata.uid !== migration.metadata.uid),
    sourceNodeName: pod.spec.nodeName,
    nowMs: clock.nowMs(),
    affinityMode: migration.spec.affinityMode,
  })
  return ranked.filter((node) => node.nodeName !== pod.spec?.nodeName)
}

function serviceIps({ caches }: ControllerDeps): string[] {
  const all = caches.services
    .list()
    .flatMap((service) => service.spec?.clusterIPs ?? (service.spec?.clusterIP ? [service.spec.clusterIP] : []))
  return all.filter((ip) => ip !== 'None')
}

async function askBeforeMove(deps: ControllerDeps, agents: Agents, migration: Migration): Promise<Asked> {
  const policyExists = await isPolicyThere(deps, migration.spec.migrationPolicyRef?.name)
  const pod = findSourcePod(migration, deps.caches.pods)
  if (!pod) return { ...nothingAsked, policyExists }
  const claims = await readClaims(deps, pod)
  const inventory = migration.spec.dryRun ? await askInventory(deps, agents, migration, claims) : {}
  return { ...nothingAsked, policyExists, claims, quotaRefusals: quotaRefusals(pod, await readQuotas(deps, pod)), ...inventory }
}

// Not from the cache: of a policy and a migration that are applied together it may hear in any order.
async function isPolicyThere({ client }: ControllerDeps, name: string | undefined): Promise<boolean> {
  if (name === undefined) return true
  try {
    await client.get(migrationPolicyPath(name))
    return true
  } catch (error) {
    if (isNotFound(error)) return false
    throw error
  }
}

async function readClaims({ client }: ControllerDeps, pod: V1Pod): Promise<ClaimAccessModes> {
  const names = (pod.spec?.volumes ?? []).flatMap((volume) => volume.persistentVolumeClaim?.claimName ?? [])
  const read = async (name: string): Promise<[string, string[]][]> => {
    try {
      const claim = await client.get<V1PersistentVolumeClaim>(persistentVolumeClaimPath(pod.metadata?.namespace, name))
      return [[name, claim.status?.accessModes ?? claim.spec?.accessModes ?? []]]
    } catch (error) {
      if (isNotFound(error)) return []
      throw error
    }
  }
  return new Map((await Promise.all(names.map(read))).flat())
}

// A quota that cannot be read is no reason against the move: the API server enforces it anyway when the pod is created.
async function readQuotas({ client }: ControllerDeps, pod: V1Pod): Promise<readonly V1ResourceQuota[]> {
  try {
    return (await client.list<V1ResourceQuota>(`/api/v1/namespaces/${encodeURIComponent(pod.metadata?.namespace ?? '')}/resourcequotas`))
      .items
  } catch (error) {
    log.debug({ err: error }, 'quotas could not be read')
    return []
  }
}

async function askInventory(
  deps: ControllerDeps,
  agents: Agents,
  migration: Migration,
  claims: ClaimAccessModes | undefined,
): Promise<Pick<Observed, 'inventory' | 'inventoryProblem'>> {
  const pod = findSourcePod(migration, deps.caches.pods)
  const address = addressOf(deps, pod?.spec?.nodeName)
  if (!pod || !address) return { inventory: 'unreachable', inventoryProblem: 'it has not reported an address' }
  const known = { nodes: deps.caches.nodes.list(), serviceIps: serviceIps(deps), claims }
  try {
    return { inventory: await agents.inventory(address, uidOf(migration), inventoryRequest(migration, pod, known)) }
  } catch (error) {
    log.warn({ err: error, migration: migration.metadata.name }, 'inventory failed')
    return { inventory: 'unreachable', inventoryProblem: messageOf(error) }
  }
}

async function askBoth(deps: ControllerDeps, agents: Agents, migration: Migration): Promise<Pick<Asked, 'source' | 'destination'>> {
  const { sourceNode, destinationNode } = migration.status
  const [source, destination] = await Promise.all([
    askRecord(deps, agents, migration, sourceNode),
    askRecord(deps, agents, migration, destinationNode),
  ])
  return { source, destination }
}

function askRecord(deps: ControllerDeps, agents: Agents, migration: Migration, nodeName: string | undefined): Promise<AgentAnswer> {
  const address = addressOf(deps, nodeName)
  if (nodeName === undefined) return Promise.resolve('unasked')
  return address ? agents.record(address, uidOf(migration)) : Promise.resolve('unreachable')
}

async function askProbe(deps: ControllerDeps, migration: Migration): Promise<Observed['probe']> {
  const pod = findDestinationPod(migration, deps.caches.pods)
  const { applicationProbe } = migration.spec
  if (!applicationProbe || !pod?.status?.podIP || !isReady(pod)) return 'unasked'
  return askApplication(pod.status.podIP, applicationProbe)
}

export function addressOf({ caches }: Pick<ControllerDeps, 'caches'>, nodeName: string | undefined): string | undefined {
  return caches.capacities.list().find((capacity) => capacity.spec.nodeName === nodeName)?.status?.agentAddress
}

function uidOf(migration: Migration): string {
  return migration.metadata.uid ?? ''
}
