// The five kinds users meet, with their schemas, names and table columns: what is generated into the chart.
import type { z } from 'zod'
import { MigrationCheckpointSpec, MigrationCheckpointStatus } from '../src/api/migration-checkpoint.ts'
import { MigrationPolicySpec, MigrationPolicyStatus } from '../src/api/migration-policy.ts'
import { MigrationWebhookConfigSpec, MigrationWebhookConfigStatus } from '../src/api/migration-webhook-config.ts'
import { NodeMigrationCapacitySpec, NodeMigrationCapacityStatus } from '../src/api/node-migration-capacity.ts'
import { PodMigrationSpec, PodMigrationStatus } from '../src/api/pod-migration.ts'

export interface Column {
  name: string
  type: 'string' | 'integer' | 'number' | 'boolean' | 'date'
  jsonPath: string
  /** 1: only with -o wide */
  priority?: number
}

export interface KindDefinition {
  kind: string
  plural: string
  shortNames: string[]
  scope: 'Namespaced' | 'Cluster'
  description: string
  spec: z.ZodType
  status: z.ZodType
  columns: Column[]
}

const age: Column = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' }

export const kinds: readonly KindDefinition[] = [
  {
    kind: 'PodMigration',
    plural: 'podmigrations',
    shortNames: ['pm'],
    scope: 'Namespaced',
    description: 'One move of one running pod to another node: the wish, and everything that happened to it.',
    spec: PodMigrationSpec,
    status: PodMigrationStatus,
    columns: [
      { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
      { name: 'Pod', type: 'string', jsonPath: '.spec.podName' },
      { name: 'From', type: 'string', jsonPath: '.status.sourceNode' },
      { name: 'To', type: 'string', jsonPath: '.status.destinationNode' },
      { name: 'Freeze (ms)', type: 'number', jsonPath: '.status.freeze.freezeMs' },
      age,
      { name: 'Mode', type: 'string', jsonPath: '.spec.mode', priority: 1 },
      { name: 'Message', type: 'string', jsonPath: '.status.message', priority: 1 },
    ],
  },
  {
    kind: 'MigrationPolicy',
    plural: 'migrationpolicies',
    shortNames: ['mpol'],
    scope: 'Cluster',
    description: 'Who may be moved without being asked for, when, and how many at once.',
    spec: MigrationPolicySpec,
    status: MigrationPolicyStatus,
    columns: [
      { name: 'Schedule', type: 'string', jsonPath: '.spec.schedule' },
      { name: 'Suspended', type: 'boolean', jsonPath: '.spec.suspend' },
      { name: 'Last run', type: 'date', jsonPath: '.status.lastRunAt' },
      { name: 'Started', type: 'integer', jsonPath: '.status.movesStarted' },
      age,
      { name: 'Result', type: 'string', jsonPath: '.status.lastResult', priority: 1 },
    ],
  },
  {
    kind: 'NodeMigrationCapacity',
    plural: 'nodemigrationcapacities',
    shortNames: ['nmc'],
    scope: 'Cluster',
    description: 'What one node can do, and every reason why it cannot take part; written by its agent.',
    spec: NodeMigrationCapacitySpec,
    status: NodeMigrationCapacityStatus,
    columns: [
      { name: 'Eligible', type: 'boolean', jsonPath: '.status.eligible' },
      { name: 'Kernel', type: 'string', jsonPath: '.status.kernel' },
      { name: 'CRIU', type: 'string', jsonPath: '.status.criuVersion' },
      { name: 'In flight', type: 'integer', jsonPath: '.status.inFlight' },
      { name: 'Reasons', type: 'string', jsonPath: '.status.reasons[*].code' },
      { name: 'Observed', type: 'date', jsonPath: '.status.observedAt' },
      { name: 'Why', type: 'string', jsonPath: '.status.reasons[*].message', priority: 1 },
    ],
  },
  {
    kind: 'MigrationCheckpoint',
    plural: 'migrationcheckpoints',
    shortNames: [],
    scope: 'Namespaced',
    description: 'A Cold checkpoint that is kept, and what a node needs to restore it.',
    spec: MigrationCheckpointSpec,
    status: MigrationCheckpointStatus,
    columns: [
      { name: 'Pod', type: 'string', jsonPath: '.spec.podName' },
      { name: 'Node', type: 'string', jsonPath: '.spec.nodeName' },
      { name: 'Size', type: 'integer', jsonPath: '.spec.sizeBytes' },
      age,
      { name: 'Expires', type: 'string', jsonPath: '.spec.expiresAt' },
      { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
      { name: 'Message', type: 'string', jsonPath: '.status.message', priority: 1 },
    ],
  },
  {
    kind: 'MigrationWebhookConfig',
    plural: 'migrationwebhookconfigs',
    shortNames: [],
    scope: 'Cluster',
    description: 'Which evictions (kubectl drain and others) become moves, and what the rest gets.',
    spec: MigrationWebhookConfigSpec,
    status: MigrationWebhookConfigStatus,
    columns: [
      { name: 'Unmovable', type: 'string', jsonPath: '.spec.unmovable' },
      { name: 'TCP', type: 'string', jsonPath: '.spec.tcpPreservationMode' },
      { name: 'Budget (ms)', type: 'integer', jsonPath: '.spec.freezeWindowBudgetMs' },
      age,
    ],
  },
]
