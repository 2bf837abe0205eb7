// One call of the plugin: what was asked, and in which cluster.
import type { PodMigrationSpec } from '../api/pod-migration.ts'
import type { KubeClient } from '../kube/client.ts'
import type { ClusterChoice, Terminal } from './terminal.ts'

export interface PluginOptions extends ClusterChoice {
  namespace?: string
  allNamespaces?: boolean
  output?: 'json' | 'yaml' | 'wide' | 'name'
  toNode?: string
  strategy?: PodMigrationSpec['mode']
  onNonConvergence?: PodMigrationSpec['onNonConvergence']
  dryRun?: boolean
  bandwidthMbps?: number
  freezeBudgetMs?: number
  wait?: boolean
  timeout?: number
  /** false with --no-network-continuity. */
  networkContinuity?: boolean
  destinationGone?: boolean
  goal?: string
  seconds?: number
  snapshot?: string
  maxMoves?: number
  seed?: number
}

export interface Invocation {
  terminal: Terminal
  client: KubeClient
  namespace: string
  /** The argument, where the command takes one. */
  name: string | undefined
  options: PluginOptions
}
