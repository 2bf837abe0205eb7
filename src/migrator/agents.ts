// What the controller may ask of the agents; the wire implements it, tests and the simulation have their own.
import type { AwaitRequest, Inventory, InventoryRequest, KeptCheckpoint, MoveRequest, NetworkState } from '../api/agent-wire.ts'
import type { AgentAnswer } from './observed.ts'

/** Addresses are host:port, from NodeMigrationCapacity. Errors are CodedErrors: retryable, or a refusal that stays one. */
export interface Agents {
  /** Never throws: an agent that does not answer is an answer. */
  record(address: string, uid: string): Promise<AgentAnswer>
  inventory(address: string, uid: string, request: InventoryRequest): Promise<Inventory>
  awaitDestination(address: string, uid: string, request: AwaitRequest): Promise<void>
  startMove(address: string, uid: string, request: MoveRequest): Promise<void>
  abort(address: string, uid: string, reason: string): Promise<void>
  finish(address: string, uid: string, outcome: 'committed' | 'aborted'): Promise<void>
  resolve(address: string, uid: string, verdict: 'destinationGone' | 'committed'): Promise<void>
  putNetwork(address: string, state: NetworkState): Promise<void>
  /** Never throws: an agent that does not answer is an answer. */
  checkpoints(address: string): Promise<KeptCheckpoint[] | 'unreachable'>
  removeCheckpoint(address: string, uid: string): Promise<void>
}
