// NodeMigrationCapacity: what one node can do, and every reason why it cannot; written by its agent.
import { z } from 'zod'
import { Refusal } from './pod-migration.ts'

export const NodeMigrationCapacitySpec = z.object({ nodeName: z.string() })

export const NodeMigrationCapacityStatus = z.object({
  eligible: z.boolean(),
  reasons: z.array(Refusal),
  warnings: z.array(Refusal).optional(),
  agentVersion: z.string().optional(),
  peerProtocol: z.int().optional().describe('How the agent speaks with others: between nodes where it differs no pod moves; absent: 1'),
  agentAddress: z.string().optional().describe('host:port of the agent'),
  observedAt: z.string().optional().describe('When the agent last looked; older than two minutes: the agent is away'),
  kernel: z.string().optional(),
  architecture: z.string().optional(),
  criuVersion: z.string().optional(),
  runcVersion: z.string().optional(),
  containerdVersion: z.string().optional(),
  cgroupVersion: z.int().optional(),
  cpuModel: z.string().optional(),
  cpuFeatures: z.array(z.string()).optional(),
  trackers: z.array(z.string()).optional(),
  modes: z.array(z.string()).optional().describe('Modes of a move that the agent knows; absent: it may take PostCopy for PreCopy'),
  podCidrs: z.array(z.string()).optional(),
  nodeIp: z.string().optional(),
  inFlight: z.int().optional(),
  journalInDoubt: z.int().optional(),
})
export type NodeMigrationCapacityStatus = z.infer<typeof NodeMigrationCapacityStatus>

export interface NodeMigrationCapacity {
  metadata: { name: string; uid?: string }
  spec: { nodeName: string }
  status?: NodeMigrationCapacityStatus
}
