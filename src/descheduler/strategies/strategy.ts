// What a strategy is: it chooses pods that should be elsewhere. Strategies that level nodes can also name the nodes alone, for our planner.
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import type { z } from 'zod'
import type { ResourceThresholds } from '../../api/descheduler-arguments.ts'
import type { StrategyName } from '../../api/migration-policy.ts'
import type { StockCluster } from '../stock/cluster.ts'
import type { Evictor } from '../stock/evictor.ts'
import type { NodeLoad } from '../utilisation.ts'

export interface Scene {
  cluster: StockCluster
  /** The nodes that the policy works on: Ready ones that its nodeSelector selects, in the order of their names. */
  nodes: readonly V1Node[]
  evictor: Evictor
}

export interface Strategy<Arguments = unknown> {
  name: StrategyName
  /** Where a policy of the stock descheduler enables it; all `deschedule` run before all `balance`. */
  extensionPoint: 'deschedule' | 'balance'
  /** With the rules that the API's schema cannot say. */
  schema: z.ZodType<Arguments>
  /** The stock descheduler's choice. Returns why it could not look, if so. */
  find(wish: Arguments, scene: Scene): string | undefined
  /** For our planner, which picks pods and destinations better. */
  level?(wish: Arguments, loads: readonly NodeLoad[]): Finding | Nothing
}

export interface Finding {
  /** Nodes that should give pods away, most urgent first. */
  sources: readonly string[]
  destinations: readonly string[]
  /** Percent: sources give until they are under it, destinations take until they would be over it. */
  ceiling: ResourceThresholds
  /** Sources give everything that has another place: they shall be empty. */
  emptied?: boolean
  /** At most so many pods leave a source in one cycle. */
  maxPerSource?: number | undefined
  /** Pods of these count for how full a node is, and stay. */
  excludedNamespaces?: readonly string[] | undefined
  /** Why these pods should move, for people. */
  reason: string
}

/** Nothing to do, and why. */
export interface Nothing {
  nothing: string
}

export function namespaced(pod: V1Pod): string {
  return `${pod.metadata?.namespace ?? ''}/${pod.metadata?.name ?? ''}`
}
