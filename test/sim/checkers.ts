// What must hold after every event, and what must hold when everything has come to rest.

import { isOpen } from '../../src/agent/protocol/move.ts'
import { isTerminal } from '../../src/api/phases.ts'
import type { PodMigration } from '../../src/api/pod-migration.ts'
import { reservationOf } from '../../src/extender/reservations.ts'
import type { Thing, Write } from './api-server.ts'
import { isReady } from './kubernetes.ts'
import { runs } from './node.ts'
import type { World } from './world.ts'

const homeRecordsKeptMs = 11 * 60 * 1000

/** After every event. */
export function checkAlways(world: World): void {
  const running = new Map<string, string>()
  const present = new Set<string>()
  for (const node of world.nodes) {
    for (const process of node.processes) {
      present.add(process.family)
      if (!runs(process)) continue
      const other = running.get(process.family)
      if (other !== undefined) world.violate('oneCopy', `pod ${world.podName(process.family)} runs twice: on ${other} and on ${node.name}`)
      running.set(process.family, node.name)
    }
  }
  for (const family of new Set(world.families.values())) {
    if (present.has(family) || world.excuses.has(family) || !world.wasBorn(family)) continue
    world.violate('neverNone', `pod ${world.podName(family)} has no copy any more, neither running nor one that could run again`)
  }
}

const controllers = new Set(['c0', 'c1'])
const ourCollections = ['/podmigrations/', '/leases/', '/migrationpolicies/']

/** Every write of ours is one that we may do; nothing of the user's is edited. */
export function checkWrite(world: World, write: Write): void {
  const { actor, path, verb, before, after } = write
  if (path.includes('/podmigrations/') && before?.status && after?.status) checkStatus(world, before, after)
  if (path.includes('/podmigrations/') && after) checkEnd(world, after)
  if (!controllers.has(actor) || ourCollections.some((ours) => path.includes(ours))) return
  if (!path.includes('/pods/')) return world.violate('nothingEdited', `the controller did ${verb} ${path}`)
  checkPodWrite(world, write)
}

function checkPodWrite(world: World, { verb, path, before, after }: Write): void {
  const pod = (after ?? before) as Thing
  const migration = pod.metadata.labels?.['podmotion.io/migration-uid']
  const received = migration !== undefined && world.truths.has(migration)
  if (verb === 'create') {
    if (migration === undefined) world.violate('nothingEdited', `the controller created ${path} without saying for which migration`)
    return
  }
  if (verb === 'delete' || verb === 'remove') return checkPodDeletion(world, pod, migration)
  if (JSON.stringify(before?.spec) !== JSON.stringify(after?.spec))
    world.violate('nothingEdited', `the controller changed the spec of ${path}`)
  if (!received && JSON.stringify(before?.metadata.labels) !== JSON.stringify(after?.metadata.labels))
    world.violate('nothingEdited', `the controller changed the labels of ${path}`)
}

/** A source goes only after its commit, a received pod only when it never commits. */
function checkPodDeletion(world: World, pod: Thing, migrationUid: string | undefined): void {
  const { uid, name } = pod.metadata
  const asSource = world.migrations().find((one) => one.status?.sourcePodUID === uid && world.hasLeft(one.metadata.uid))
  if (asSource) return
  if (migrationUid === undefined) return world.violate('deletesOnlyOurs', `the controller deleted ${name}, which has not left`)
  if (world.hasLeft(migrationUid)) world.violate('deletesOnlyOurs', `the controller deleted ${name}, which lives by its commit`)
}

/** What was once known is never forgotten, and after the commit there is no way back. */
function checkStatus(world: World, before: Thing, after: Thing): void {
  const { name } = before.metadata
  const [old, next] = [before.status ?? {}, after.status ?? {}]
  for (const field of ['committedAt', 'granted', 'sourcePodUID', 'startedAt'])
    if (old[field] !== undefined && next[field] === undefined) world.violate('statusRemembers', `${name} forgot ${field}`)
  if (isTerminal(old.phase) && next.phase !== old.phase) world.violate('terminalStays', `${name} went from ${old.phase} to ${next.phase}`)
  if (old.committedAt !== undefined && ['RollingBack', 'RolledBack', 'Failed'].includes(next.phase))
    world.violate('noWayBack', `${name} goes to ${next.phase} after its commit`)
}

/** How a migration ended is what happened. */
function checkEnd(world: World, migration: Thing): void {
  const { phase } = migration.status ?? {}
  const { uid } = migration.metadata
  if (phase === 'Complete' && !world.truths.get(uid)?.committed)
    world.violate('endIsTrue', `${migration.metadata.name} is Complete without a commit`)
  if ((phase === 'RolledBack' || phase === 'Failed') && world.hasLeft(uid))
    world.violate('endIsTrue', `${migration.metadata.name} is ${phase}, but its destination committed`)
  if (isTerminal(phase) && migration.status?.reservation)
    world.violate('reservationFreed', `${migration.metadata.name} ended and keeps its room`)
}

/** Has everything come to rest? Undefined: yes; else what is still going on. */
export function unrest(world: World): string | undefined {
  for (const migration of world.migrations()) {
    if (!isTerminal(migration.status?.phase))
      return `${migration.metadata.name} is ${migration.status?.phase ?? 'Pending'}: ${migration.status?.message ?? ''}`
    if (migration.metadata.finalizers?.length) return `${migration.metadata.name} keeps its finalizer`
    if (reservationOf(migration as unknown as PodMigration)) return `${migration.metadata.name} keeps its room`
  }
  return unrestOfNodes(world) ?? unrestOfPods(world)
}

function unrestOfNodes(world: World): string | undefined {
  for (const node of world.nodes) {
    if (node.gone) continue
    if (!node.up) return `${node.name} is down`
    const agent = world.agents().find((one) => one.node === node)
    if (!agent?.ready) return `the agent on ${node.name} is not there`
    const open = agent.moves.list().filter(isOpen)
    if (open.length > 0)
      return `the agent on ${node.name} has ${open.map((move) => `${world.migrationName(move.uid)} open (${move.role} ${move.state})`).join(', ')}`
    const left = leftOn(world, node)
    if (left) return `${node.name} has ${left}`
  }
  return undefined
}

function leftOn(world: World, node: World['nodes'][number]): string | undefined {
  const name = (uid: string) => world.migrationName(uid)
  if (node.holds.size > 0) return `traffic held for ${[...node.holds.keys()].map(name).join(', ')}`
  if (node.locks.size > 0) return `namespaces locked for ${[...node.locks.keys()].map(name).join(', ')}`
  if (node.images.size > 0) return `images ${[...node.images].join(', ')}`
  for (const [uid, route] of node.diverts) {
    if (route.role === 'home' && world.loop.nowMs - route.atMs < homeRecordsKeptMs) continue
    return `a ${route.role} route of ${name(uid)}`
  }
  if (node.markers.size > 0) return `a marker for pod ${[...node.markers.keys()].map((uid) => world.podName(uid)).join(', ')}`
  const frozen = node.processes.find((process) => process.frozen)
  if (frozen) return `pod ${world.podName(frozen.podUid)} frozen`
  const shut = node.processes.find((process) => process.gate === 'shut')
  return shut ? `pod ${world.podName(shut.podUid)} at its gate` : undefined
}

function unrestOfPods(world: World): string | undefined {
  for (const set of world.server.all('/apis/apps/v1/replicasets')) {
    const own = world.pods().filter((pod) => pod.metadata.ownerReferences?.some((owner) => owner.uid === set.metadata.uid))
    const ready = own.filter((pod) => isReady(pod) && !pod.metadata.deletionTimestamp)
    if (own.length !== set.spec.replicas || ready.length !== own.length)
      return `${set.metadata.name} has ${own.length} pods, ${ready.length} ready, wants ${set.spec.replicas}`
  }
  for (const pod of world.pods()) {
    if (pod.metadata.deletionTimestamp) return `pod ${pod.metadata.name} is still terminating`
    if (world.nodes.some((node) => node.gone && node.name === pod.spec.nodeName))
      return `pod ${pod.metadata.name} is on a node that is off for good`
    if (!pod.metadata.labels?.app && !pod.metadata.labels?.['podmotion.io/kept']) return `pod ${pod.metadata.name} belongs to nobody`
    if (!isReady(pod)) return `pod ${pod.metadata.name} is not Ready`
  }
  return undefined
}

/** The last look: exactly one copy of every pod, and only of pods that exist. */
export function checkAtRest(world: World): void {
  const pods = new Map(world.pods().map((pod) => [pod.metadata.uid, pod]))
  for (const node of world.nodes)
    for (const process of node.processes)
      if (!pods.has(process.podUid)) world.violate('restIsTrue', `${node.name} runs ${world.podName(process.podUid)}, which does not exist`)
  for (const pod of pods.values()) {
    const copies = world.processesOf(world.families.get(pod.metadata.uid) ?? '').filter(runs)
    if (copies.length !== 1) world.violate('restIsTrue', `pod ${pod.metadata.name} has ${copies.length} running copies`)
  }
}
