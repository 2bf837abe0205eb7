// MigrationPolicy: who may be moved, when, how many at once, found by which strategies.
import { z } from 'zod'
import { migrationModes, storageStrategies, tcpPreservationModes } from './pod-migration.ts'

export const LabelSelector = z.object({
  matchLabels: z.record(z.string(), z.string()).optional(),
  matchExpressions: z
    .array(
      z.object({
        key: z.string(),
        operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
        values: z.array(z.string()).optional(),
      }),
    )
    .optional(),
})
export type LabelSelector = z.infer<typeof LabelSelector>

const percent = z.int().min(0).max(100)

export const ResourceThresholds = z.object({
  cpu: percent.optional(),
  memory: percent.optional(),
  pods: percent.optional(),
})
export type ResourceThresholds = z.infer<typeof ResourceThresholds>

export const LowNodeUtilizationArguments = z.object({
  thresholds: ResourceThresholds.describe('Percent of allocatable; a node under all of them can take pods'),
  targetThresholds: ResourceThresholds.describe('Percent; a node over any of them gives pods away'),
  numberOfNodes: z.int().min(0).default(0),
})
export type LowNodeUtilizationArguments = z.infer<typeof LowNodeUtilizationArguments>

export const PolicyStrategy = z.object({
  name: z.enum(['LowNodeUtilization']),
  lowNodeUtilization: LowNodeUtilizationArguments.optional(),
})
export type PolicyStrategy = z.infer<typeof PolicyStrategy>

export const MigrationPolicySpec = z.object({
  priority: z.int().min(-1000).max(1000).default(0),
  namespaceSelector: LabelSelector.optional(),
  podSelector: LabelSelector.optional(),
  schedule: z.string().default('*/2 * * * *').describe('Cron expression, 5 or 6 fields'),
  suspend: z.boolean().default(false),
  dryRun: z.boolean().default(false),
  strategies: z.array(PolicyStrategy).min(1).max(16),
  blackoutWindows: z
    .array(z.object({ start: z.string().describe('HH:MM'), end: z.string().describe('HH:MM'), timeZone: z.string().default('UTC') }))
    .optional(),
  budgets: z
    .object({
      inFlightCluster: z.int().min(0).max(1000).default(5),
      inFlightPerNamespace: z.int().min(0).max(1000).default(5),
      outboundPerNode: z.int().min(0).max(100).default(2),
      inboundPerNode: z.int().min(0).max(100).default(2),
      perHour: z.int().min(0).max(10000).default(60),
    })
    .default({ inFlightCluster: 5, inFlightPerNamespace: 5, outboundPerNode: 2, inboundPerNode: 2, perHour: 60 }),
  cooldownSeconds: z.int().min(0).max(604800).default(600),
  defaults: z
    .object({
      mode: z.enum(migrationModes).optional(),
      storageStrategy: z.enum(storageStrategies).optional(),
      tcpPreservationMode: z.enum(tcpPreservationModes).optional(),
      freezeWindowBudgetMs: z.int().min(50).max(10000).optional(),
      completionTimeoutSeconds: z.int().min(30).max(86400).optional(),
      bandwidthLimitMbps: z.int().min(0).max(1000000).optional(),
    })
    .optional(),
})
export type MigrationPolicySpec = z.infer<typeof MigrationPolicySpec>

export const MigrationPolicyStatus = z.object({
  lastRunAt: z.string().optional(),
  lastResult: z.string().optional(),
  movesPlanned: z.int().optional(),
  movesStarted: z.int().optional(),
})
export type MigrationPolicyStatus = z.infer<typeof MigrationPolicyStatus>

export interface MigrationPolicy {
  metadata: { name: string; uid?: string }
  spec: MigrationPolicySpec
  status?: MigrationPolicyStatus
}
