// Whose turn it is: a drain asks for all pods of a node at once, but each freeze should have the two nodes to itself. Pure.
import { isTerminal } from '../api/phases.ts'
import type { PodMigration } from '../api/pod-migration.ts'

// As many as api.md allows a node to give away at once: the second prepares while the first one crosses.
const outboundPerNode = 2

/** Why a migration from this node has to wait before it begins, or undefined when it is its turn. */
export function waitsForOutbound(sourceNode: string | undefined, others: readonly PodMigration[]): string | undefined {
  const under = others.filter(({ status }) => isUnderWay(status) && status?.startedAt !== undefined && status.sourceNode === sourceNode)
  if (sourceNode === undefined || under.length < outboundPerNode) return undefined
  return `waits: ${under.length} pods are leaving ${sourceNode} already (${namesOf(under)})`
}

/** Why the freeze has to wait: another one that has not committed yet uses one of the two nodes. */
export function waitsForFreeze(nodes: readonly (string | undefined)[], others: readonly PodMigration[]): string | undefined {
  const crossing = others.filter(({ status }) => isUnderWay(status) && status?.moveStartedAt !== undefined && !status.rollbackStartedAt)
  const inTheWay = crossing.filter(({ status }) => nodes.includes(status?.sourceNode) || nodes.includes(status?.destinationNode))
  return inTheWay.length === 0 ? undefined : `waits: one freeze at a time on a node, and ${namesOf(inTheWay)} is crossing`
}

function isUnderWay(status: PodMigration['status']): boolean {
  return !isTerminal(status?.phase) && status?.committedAt === undefined
}

function namesOf(migrations: readonly PodMigration[]): string {
  return migrations.map(({ metadata }) => metadata.name).join(', ')
}
