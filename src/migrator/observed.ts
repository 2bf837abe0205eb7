// Everything the reconciler looked at this time: what is true now, never what event came.
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import type { Inventory, MoveRecord } from '../api/agent-wire.ts'
import type { NodeMigrationCapacity } from '../api/node-migration-capacity.ts'
import type { PodMigration, PodMigrationStatus, Refusal } from '../api/pod-migration.ts'
import type { ClaimAccessModes } from './volumes.ts'

/** Epoch milliseconds. */
export type Instant = number

/** A migration whose status is there, empty at first. */
export type Migration = PodMigration & { status: PodMigrationStatus }

/** `absent`: the agent answered that it does not know the migration; `unasked`: not needed in this phase. */
export type AgentAnswer = MoveRecord | 'absent' | 'unreachable' | 'unasked'

export interface RankedNode {
  nodeName: string
  fits: boolean
  score: number
  reasons: Refusal[]
}

/** The application's own answer on the destination. */
export interface ProbeAnswer {
  ok: boolean
  message: string
}

export interface Observed {
  /** The pod with the migration's source UID (before that is known: with the name). */
  sourcePod: V1Pod | undefined
  /** The pod with the destination pod's name, whoever it belongs to. */
  destinationPod: V1Pod | undefined
  /** Other pods of the source's controller. */
  siblings: readonly V1Pod[]
  /** false: the source's controlling owner no longer exists. */
  ownerExists: boolean
  nodes: readonly V1Node[]
  capacities: readonly NodeMigrationCapacity[]
  /** Other migrations than this one. */
  migrations: readonly PodMigration[]
  /** Nodes ranked for this pod, best first; empty when the phase does not choose. */
  candidates: readonly RankedNode[]
  claims: ClaimAccessModes | undefined
  quotaRefusals: readonly Refusal[]
  /** false: the policy that the wish names does not exist. */
  policyExists: boolean
  serviceIps: readonly string[]
  /** How long images of Cold moves are kept; 0: not at all. */
  checkpointRetentionSeconds: number
  source: AgentAnswer
  destination: AgentAnswer
  inventory: Inventory | 'unreachable' | 'unasked'
  /** What came instead of the inventory, for people. */
  inventoryProblem?: string
  probe: ProbeAnswer | 'unasked'
  /** An effect of this pass that will fail every time: the machine has to give up. */
  refusedEffect?: { kind: string; code: string; message: string }
}

export function isRecord(answer: AgentAnswer): answer is MoveRecord {
  return typeof answer === 'object'
}

function nodeOf(observed: Observed, name: string | undefined): V1Node | undefined {
  return observed.nodes.find((node) => node.metadata?.name === name)
}

export function capacityOf(observed: Observed, name: string | undefined): NodeMigrationCapacity | undefined {
  return observed.capacities.find((capacity) => capacity.spec.nodeName === name)
}

const outOfService = 'node.kubernetes.io/out-of-service'

/** Proof, not a guess: the node object is gone, or a person tainted it out of service. A silent node is not gone. */
export function isNodeGone(observed: Observed, name: string | undefined): boolean {
  if (name === undefined) return false
  const node = nodeOf(observed, name)
  return !node || (node.spec?.taints?.some((taint) => taint.key === outOfService) ?? false)
}
