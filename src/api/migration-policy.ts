// MigrationPolicy: who may be moved, when, how many at once, found by which strategies.
import { z } from 'zod'
import {
  DefaultEvictorArguments,
  HighNodeUtilizationArguments,
  LowNodeUtilizationArguments,
  MetricsProvider,
  PodLifeTimeArguments,
  RemoveDuplicatesArguments,
  RemoveFailedPodsArguments,
  RemovePodsHavingTooManyRestartsArguments,
  RemovePodsViolatingInterPodAntiAffinityArguments,
  RemovePodsViolatingNodeAffinityArguments,
  RemovePodsViolatingNodeTaintsArguments,
  RemovePodsViolatingTopologySpreadConstraintArguments,
} from './descheduler-arguments.ts'
import { LabelSelector } from './label-selector.ts'
import { migrationModes, nonConvergenceAnswers, storageStrategies, tcpPreservationModes } from './pod-migration.ts'

export { LabelSelector } from './label-selector.ts'

/** Each strategy has its arguments under its own name, with a small first letter. */
const argumentsOfStrategies = {
  removeDuplicates: RemoveDuplicatesArguments.optional(),
  lowNodeUtilization: LowNodeUtilizationArguments.optional(),
  highNodeUtilization: HighNodeUtilizationArguments.optional(),
  removePodsViolatingTopologySpreadConstraint: RemovePodsViolatingTopologySpreadConstraintArguments.optional(),
  removePodsViolatingInterPodAntiAffinity: RemovePodsViolatingInterPodAntiAffinityArguments.optional(),
  removePodsViolatingNodeAffinity: RemovePodsViolatingNodeAffinityArguments.optional(),
  removePodsViolatingNodeTaints: RemovePodsViolatingNodeTaintsArguments.optional(),
  removePodsHavingTooManyRestarts: RemovePodsHavingTooManyRestartsArguments.optional(),
  podLifeTime: PodLifeTimeArguments.optional(),
  removeFailedPods: RemoveFailedPodsArguments.optional(),
}

export const strategyNames = [
  'RemoveDuplicates',
  'LowNodeUtilization',
  'HighNodeUtilization',
  'RemovePodsViolatingTopologySpreadConstraint',
  'RemovePodsViolatingInterPodAntiAffinity',
  'RemovePodsViolatingNodeAffinity',
  'RemovePodsViolatingNodeTaints',
  'RemovePodsHavingTooManyRestarts',
  'PodLifeTime',
  'RemoveFailedPods',
] as const
export type StrategyName = (typeof strategyNames)[number]

export const PolicyStrategy = z.object({ name: z.enum(strategyNames), ...argumentsOfStrategies })
export type PolicyStrategy = z.infer<typeof PolicyStrategy>

export const MigrationPolicySpec = z.object({
  priority: z
    .int()
    .min(-1000)
    .max(1000)
    .default(0)
    .describe('Of several policies the highest speaks for a pod; of equal ones the more specific'),
  namespaceSelector: LabelSelector.optional().describe('Namespaces whose pods may be moved; absent: all'),
  podSelector: LabelSelector.optional().describe('Pods that may be moved; absent: all'),
  schedule: z.string().default('*/2 * * * *').describe('Cron expression, 5 or 6 fields'),
  suspend: z.boolean().default(false).describe('Does not run while it is true'),
  dryRun: z.boolean().default(false).describe('Writes its plan into the status and moves nothing'),
  strategies: z
    .array(PolicyStrategy)
    .min(1)
    .max(16)
    .describe('In this order; arguments as in the stock descheduler, under the name of the strategy'),
  blackoutWindows: z
    .array(z.object({ start: z.string().describe('HH:MM'), end: z.string().describe('HH:MM'), timeZone: z.string().default('UTC') }))
    .optional()
    .describe('Times of the day in which nothing is moved; may go over midnight'),
  budgets: z
    .object({
      inFlightCluster: z.int().min(0).max(1000).default(5),
      inFlightPerNamespace: z.int().min(0).max(1000).default(5),
      outboundPerNode: z.int().min(0).max(100).default(2),
      inboundPerNode: z.int().min(0).max(100).default(2),
      perHour: z.int().min(0).max(10000).default(60),
    })
    .default({ inFlightCluster: 5, inFlightPerNamespace: 5, outboundPerNode: 2, inboundPerNode: 2, perHour: 60 })
    .describe('How many moves at once, and in an hour'),
  cooldownSeconds: z.int().min(0).max(604800).default(600).describe('How long a pod rests after a move'),
  nodeCooldownSeconds: z
    .int()
    .min(0)
    .max(604800)
    .default(0)
    .describe('How long a node that gave pods takes none, and one that took pods gives none'),
  maxMovesPerPodPerHour: z.int().min(1).max(60).default(2).describe('How often one pod is moved in an hour, at most'),
  hysteresisPercentPoints: z
    .number()
    .min(0)
    .max(50)
    .default(0)
    .describe('A node gives pods away only when it is over its target by more than this; then it is brought down to the target'),
  onUnmovable: z.enum(['Leave', 'Evict']).default('Leave').describe('What happens to a chosen pod that cannot be moved live'),
  metricsProviders: z.array(MetricsProvider).max(2).optional().describe('Where strategies with metricsUtilization ask'),
  evictor: DefaultEvictorArguments.optional().describe('Which pods are protected, as DefaultEvictor of the stock descheduler has it'),
  defaults: z
    .object({
      mode: z.enum(migrationModes).optional(),
      onNonConvergence: z.enum(nonConvergenceAnswers).optional(),
      storageStrategy: z.enum(storageStrategies).optional(),
      tcpPreservationMode: z.enum(tcpPreservationModes).optional(),
      freezeWindowBudgetMs: z.int().min(50).max(10000).optional(),
      completionTimeoutSeconds: z.int().min(30).max(86400).optional(),
      bandwidthLimitMbps: z.int().min(0).max(1000000).optional(),
    })
    .optional()
    .describe('For the PodMigrations that the policy makes'),
})
export type MigrationPolicySpec = z.infer<typeof MigrationPolicySpec>

export const MigrationPolicyStatus = z.object({
  lastRunAt: z.string().optional(),
  lastResult: z.string().optional(),
  movesPlanned: z.int().optional(),
  movesStarted: z.int().optional(),
  movesUndone: z.int().optional().describe('Of the last day: moves that brought a pod back within an hour'),
  plan: z
    .array(
      z.object({
        pod: z.string(),
        action: z.enum(['Move', 'Evict']),
        fromNode: z.string(),
        toNode: z.string().optional(),
        strategy: z.string(),
        reason: z.string(),
      }),
    )
    .optional()
    .describe('What a dry run would do'),
})
export type MigrationPolicyStatus = z.infer<typeof MigrationPolicyStatus>

export interface MigrationPolicy {
  metadata: { name: string; uid?: string }
  spec: MigrationPolicySpec
  status?: MigrationPolicyStatus
}
