// MigrationCheckpoint: criu's images of a Cold move, kept on its source for a while, and what a node needs to restore them.
import { z } from 'zod'
import type { ObjectMeta } from './pod-migration.ts'

export const checkpointPhases = ['Ready', 'Failed', 'Lost', 'Expired'] as const

export const MigrationCheckpointSpec = z.object({
  podName: z.string(),
  podUID: z.string(),
  nodeName: z.string(),
  path: z.string().describe('Folder on the node, relative to the agent state folder; one folder a container in it'),
  sizeBytes: z.int().min(0),
  digest: z
    .string()
    .describe(
      "sha256: and that of what sha256sum says of all files in bytewise order of their paths: find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs sha256sum | sha256sum",
    ),
  requiredFeatures: z
    .array(z.string())
    .optional()
    .describe('As NodeMigrationCapacity of the source said: architecture, kernel, CRIU, CPU features'),
  expiresAt: z.string().optional(),
})
export type MigrationCheckpointSpec = z.infer<typeof MigrationCheckpointSpec>

export const MigrationCheckpointStatus = z.object({
  phase: z
    .enum(checkpointPhases)
    .optional()
    .describe(
      'Ready: the images are there; Failed: they could not be kept; Lost: they were kept, and are gone; Expired: their time is over, and their node is away',
    ),
  message: z.string().optional(),
})
export type MigrationCheckpointStatus = z.infer<typeof MigrationCheckpointStatus>

interface OwnerReference {
  apiVersion: string
  kind: string
  name: string
  uid: string
}

export interface MigrationCheckpoint {
  apiVersion: string
  kind: 'MigrationCheckpoint'
  metadata: ObjectMeta & { ownerReferences?: OwnerReference[] }
  spec: MigrationCheckpointSpec
  status?: MigrationCheckpointStatus
}
