// SocketInventory: what only the node can see; then the destination is chosen and its room kept, before anything moves.
import type { Inventory } from '../../api/agent-wire.ts'
import type { PodMigrationStatus } from '../../api/pod-migration.ts'
import { setCondition } from '../conditions.ts'
import { type Decision, enter, stay } from '../decision.ts'
import { destinationPodName } from '../destination-name.ts'
import { budgetRefusals, estimateMove } from '../estimate.ts'
import { inventoryRefusals, inventoryWarnings } from '../inventory.ts'
import type { Instant, Migration, Observed } from '../observed.ts'
import { chooseDestination, reserve } from '../reservation.ts'
import { refuse } from './refuse.ts'
import { silentFor } from './silence.ts'

export function socketInventory(migration: Migration, observed: Observed, nowMs: Instant): Decision {
  const { status, spec } = migration
  const { inventory, sourcePod } = observed
  if (typeof inventory !== 'object') return waitForAgent(migration, observed, nowMs)
  const estimate = estimateMove(inventory, spec, observed.migrations)
  const choice = chooseDestination(migration, observed)
  const refusals = [...inventoryRefusals(inventory, spec), ...budgetRefusals(inventory, spec), ...choice.refusals]
  const counted = { ...inventoried(status, inventory, spec, nowMs), estimate }
  if (refusals.length > 0 || !choice.node || !sourcePod) return refuse(counted, refusals, nowMs)
  const reserved = reserve(counted, sourcePod, choice.node.nodeName)
  return enter(spec.mode === 'Cold' ? 'Checkpointing' : 'PreCopyMemory', {
    ...reserved,
    destinationPodName: destinationPodName(sourcePod, migration.metadata.uid ?? ''),
    message: `room is kept on ${choice.node.nodeName}`,
  })
}

function waitForAgent({ status }: Migration, { inventoryProblem }: Observed, nowMs: Instant): Decision {
  const problem = inventoryProblem ? ` (${inventoryProblem})` : ''
  if (!silentFor(status.startedAt, nowMs)) return stay({ ...status, message: `waiting for the agent on ${status.sourceNode}${problem}` })
  const message = `the agent on ${status.sourceNode} did not count the pod's sockets${problem}`
  return refuse(status, [{ code: 'AgentUnreachable', message, remedy: `check the agent pod on ${status.sourceNode}` }], nowMs)
}

function inventoried(status: PodMigrationStatus, inventory: Inventory, spec: Migration['spec'], nowMs: Instant): PodMigrationStatus {
  const warnings = inventoryWarnings(inventory, spec)
  const counted = `${inventory.connections} connections, ${inventory.listeners} listeners, ${inventory.processes} processes`
  const message = [counted, ...warnings.map((warning) => `warning ${warning.code}: ${warning.message}`)].join('; ')
  return setCondition(status, { type: 'SocketInventoryComplete', status: 'True', reason: 'Counted', message }, nowMs)
}
