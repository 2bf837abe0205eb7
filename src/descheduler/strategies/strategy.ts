// What a strategy is: it names the nodes that give and those that take, and how far; who moves where is the planner's business.
import type { PolicyStrategy, ResourceThresholds } from '../../api/migration-policy.ts'
import type { NodeLoad } from '../utilisation.ts'

export interface Finding {
  /** Nodes that should give pods away, fullest first. */
  sources: readonly string[]
  destinations: readonly string[]
  /** Percent: sources give until they are under it, destinations take until they would be over it. */
  ceiling: ResourceThresholds
  /** Why these pods should move, for people. */
  reason: string
}

/** Nothing to do, and why. */
export interface Nothing {
  nothing: string
}

export interface Strategy {
  name: PolicyStrategy['name']
  find(wish: PolicyStrategy, loads: readonly NodeLoad[]): Finding | Nothing
}
