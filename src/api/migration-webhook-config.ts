// MigrationWebhookConfig: what an eviction (kubectl drain) may turn into a move, and what happens to the rest.
import { z } from 'zod'
import { LabelSelector } from './migration-policy.ts'
import { nonConvergenceAnswers, tcpPreservationModes } from './pod-migration.ts'

export const MigrationWebhookConfigSpec = z.object({
  namespaceSelector: LabelSelector.optional(),
  podSelector: LabelSelector.optional(),
  unmovable: z.enum(['Block', 'Evict']).default('Evict').describe('What an eviction of a pod that cannot be moved gets'),
  tcpPreservationMode: z.enum(tcpPreservationModes).default('Strict'),
  onNonConvergence: z.enum(nonConvergenceAnswers).default('Freeze').describe('For the PodMigrations that evictions become: see there'),
  completionTimeoutSeconds: z.int().min(30).max(86400).default(600),
  freezeWindowBudgetMs: z.int().min(50).max(10000).default(2000),
})
export type MigrationWebhookConfigSpec = z.infer<typeof MigrationWebhookConfigSpec>
export const MigrationWebhookConfigStatus = z.object({ message: z.string().optional() })

export interface MigrationWebhookConfig {
  metadata: { name: string }
  spec: MigrationWebhookConfigSpec
}
