// MigrationCheckpoint: a Cold checkpoint that is kept, and what a node needs to restore it.
import { z } from 'zod'

export const MigrationCheckpointSpec = z.object({
  podName: z.string(),
  podUID: z.string(),
  nodeName: z.string(),
  path: z.string().describe('Folder on the node, relative to the agent state folder'),
  sizeBytes: z.int().min(0),
  digest: z.string(),
  requiredFeatures: z.array(z.string()).optional(),
  expiresAt: z.string().optional(),
})
export const MigrationCheckpointStatus = z.object({ phase: z.string().optional(), message: z.string().optional() })
