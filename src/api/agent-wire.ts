// The words between the controller and the agents (HTTPS, mutual TLS, JSON). Every call is idempotent by migration UID.
//
//   GET    /v1/node                          -> NodeMigrationCapacityStatus
//   POST   /v1/migrations/:uid/inventory     InventoryRequest -> Inventory        (source; looks, changes nothing)
//   POST   /v1/migrations/:uid/await         AwaitRequest     -> MoveRecord       (destination; announces the pod to CNI and OCI wrapper,
//                                                                                  BEFORE the pod object exists)
//   POST   /v1/migrations/:uid/move          MoveRequest      -> 202 MoveRecord   (source; the two agents then act alone)
//   POST   /v1/migrations/:uid/abort         AbortRequest     -> MoveRecord       (either side; after the grant the source answers its state and
//                                                                                  does not thaw)
//   POST   /v1/migrations/:uid/finish        FinishRequest    -> MoveRecord       (either side; source: end the frozen pod silently; both: sweep)
//   POST   /v1/migrations/:uid/resolve       ResolveRequest   -> MoveRecord       (a person's or the API server's word after a grant)
//   GET    /v1/migrations/:uid               -> MoveRecord | 404
//   GET    /v1/migrations                    -> { migrations: MoveRecord[] }
//   PUT    /v1/network                       NetworkState     -> { }              (level-based: the whole wish, each time)
// Errors: HTTP 4xx/5xx with WireError.
import { z } from 'zod'
import {
  FlowCounts,
  migrationModes,
  nonConvergenceAnswers,
  PreCopy,
  Refusal,
  storageStrategies,
  tcpPreservationModes,
} from './pod-migration.ts'

export const WireError = z.object({ code: z.string(), message: z.string() })
export type WireError = z.infer<typeof WireError>

export const WirePod = z.object({
  namespace: z.string(),
  name: z.string(),
  uid: z.string(),
  ips: z.array(z.string()).min(1).max(2).describe('At most one of each family, its podIP first'),
  containers: z.array(z.object({ name: z.string(), id: z.string().describe('containerd id, without containerd://') })).min(1),
  /** Volumes the pod mounts and what is done with each. */
  volumes: z.array(z.object({ name: z.string(), kind: z.enum(['emptyDir', 'emptyDirMemory', 'shared', 'projected', 'skip']) })).default([]),
})
export type WirePod = z.infer<typeof WirePod>

export const InventoryRequest = z.object({
  pod: WirePod,
  tcpPreservationMode: z.enum(tcpPreservationModes),
  podCidrs: z.array(z.string()).describe('podCIDRs of all nodes'),
  serviceIps: z.array(z.string()).default([]).describe('ClusterIPs that exist'),
})
export type InventoryRequest = z.infer<typeof InventoryRequest>

export const Inventory = z.object({
  connections: z.int().describe('TCP connections of the pod that have a peer outside it'),
  listeners: z.int(),
  memoryBytes: z.int().describe('Resident memory of all its processes'),
  touchedBytes: z.int().default(0).describe('Of its memory, read or written within touchedInMs'),
  touchedInMs: z.int().min(1).default(250),
  writableBytes: z.int().describe('Writable layers and emptyDirs'),
  restlessBytes: z
    .int()
    .default(0)
    .describe('Files in them that changed within the last minute: they are looked at once more in the freeze'),
  watchedBytes: z
    .int()
    .default(0)
    .describe(
      'Of those, files of which the kernel tells where they are written: no more is read. The others wholly; an older agent does not say',
    ),
  rewrittenBytes: z.int().default(0).describe('Of the watched files, in blocks that were written within rewrittenInMs'),
  rewrittenInMs: z.int().min(1).default(250),
  processes: z.int(),
  /** Reasons against the move that only the node can see; for Strict all of them refuse, for BestEffort those with blocking=true. */
  reasons: z.array(Refusal.extend({ blocking: z.boolean() })),
})
export type Inventory = z.infer<typeof Inventory>

export const AwaitRequest = z.object({
  migrationName: z.string().describe('namespace/name'),
  pod: z.object({
    namespace: z.string(),
    name: z.string().describe('name of the destination pod'),
    ips: z.array(z.string()).min(1).max(2),
    containers: z.array(z.string()).min(1),
  }),
  source: z.object({
    nodeName: z.string(),
    nodeIps: z.array(z.string()).describe('At most one of each family'),
    address: z.string().describe('host:port of the source agent'),
  }),
  completionTimeoutSeconds: z.int().default(86400).describe('After it nobody comes any more'),
})
export type AwaitRequest = z.infer<typeof AwaitRequest>

export const MoveRequest = z.object({
  migrationName: z.string(),
  pod: WirePod,
  destination: z.object({
    nodeName: z.string(),
    nodeIps: z.array(z.string()).describe('At most one of each family'),
    address: z.string().describe('host:port of the destination agent'),
    podName: z.string(),
    podUid: z.string(),
  }),
  home: z
    .object({ nodeName: z.string(), address: z.string() })
    .optional()
    .describe('Node whose podCIDR holds the IP, when it is neither source nor destination'),
  mode: z.enum(migrationModes),
  preCopyMaxRounds: z.int().default(5),
  preCopyDirtyThresholdMB: z.int().default(64),
  onNonConvergence: z.enum(nonConvergenceAnswers).default('Freeze'),
  postCopyObstacle: z.string().optional().describe('Why this pod cannot go on in mode PostCopy'),
  tcpPreservationMode: z.enum(tcpPreservationModes),
  storageStrategy: z.enum(storageStrategies),
  freezeWindowBudgetMs: z.int(),
  bandwidthLimitMbps: z.int(),
  keepFailedDestination: z.boolean().default(false),
  podCidrs: z.array(z.string()),
  serviceIps: z.array(z.string()).default([]),
  keepCheckpointSeconds: z
    .int()
    .min(0)
    .default(0)
    .describe('Of mode Cold: how long its images stay on the source afterwards; 0: not at all'),
})
export type MoveRequest = z.infer<typeof MoveRequest>

export const AbortRequest = z.object({ reason: z.string() })
export const FinishRequest = z.object({ outcome: z.enum(['committed', 'aborted']) })
/** `destinationGone`: proof that the destination node is gone for good, the source may thaw; `committed`: the destination runs it. */
export const ResolveRequest = z.object({ verdict: z.enum(['destinationGone', 'committed']) })

/**
 * What an agent knows of a migration. Source: preparing -> moving -> frozen -> granted -> committed -> finished, or aborted.
 * Destination: awaiting -> standing (all stand-ins wait, sandbox attached) -> holding -> restoring -> held -> committed -> live -> finished, or aborted.
 */
export const moveStates = [
  'preparing',
  'moving',
  'frozen',
  'granted',
  'awaiting',
  'standing',
  'holding',
  'restoring',
  'held',
  'committed',
  'live',
  'finished',
  'aborted',
] as const
export type MoveState = (typeof moveStates)[number]

/** Steps in the order of a good move; each carries the instant at which its node did it. */
export const moveSteps = [
  'presync',
  'armed', // ZeroWindowArm: legs, guard and prepared routes
  'held', // destination queues the pod's traffic; OverlayHandoff
  'diverted', // routes point to the destination
  'frozen', // FinalFreeze: all cgroups frozen
  'locked',
  'dumped', // StateCapture
  'synced', // files
  'transferred', // Transferring
  'restored', // Restoring: all gates reached
  'verified', // RestoreSocketReattach: parity and continuity, while held
  'granted',
  'committed',
  'socketsLive', // DisengageHold
  'released',
  'resumed',
  'thawed',
  'undone',
  'sourceEnded',
] as const
export type MoveStep = (typeof moveSteps)[number]

export const MoveRecord = z.object({
  uid: z.string(),
  role: z.enum(['source', 'destination']),
  state: z.enum(moveStates),
  settled: z.boolean().optional().describe('false: what this end of the move has to do or to undo is not all done'),
  failure: z.object({ code: z.string(), message: z.string() }).optional(),
  /** Epoch milliseconds with fractions, by the node's clock. */
  steps: z.array(z.object({ step: z.enum(moveSteps), atMs: z.number(), node: z.string() })).default([]),
  freezeMs: z.number().optional().describe('first process frozen to last process running (source and destination clocks)'),
  holdMs: z.number().optional(),
  preCopy: PreCopy.optional(),
  mode: z.enum(migrationModes).optional().describe('What the move became, when it is another mode than that of its request'),
  stayedMB: z.number().optional().describe('Memory that was left at the source in the freeze (mode PostCopy)'),
  atSourceMB: z.number().optional().describe('Of it, what is still there'),
  bytesMoved: z.int().optional(),
  connections: z.object({ source: z.int(), destination: z.int(), lost: z.int() }).optional(),
  flows: FlowCounts.optional(),
  sequenceDelta: z.int().optional().describe('sum of |source - destination| over all connections and both directions'),
  warnings: z.array(z.string()).default([]),
})
export type MoveRecord = z.infer<typeof MoveRecord>

/** Images of a Cold move that the source's agent keeps, or why it does not. */
export const KeptCheckpoint = z.object({
  uid: z.string().describe('Of the migration'),
  migrationName: z.string().describe('namespace/name'),
  podName: z.string(),
  podUid: z.string(),
  phase: z.enum(['Keeping', 'Ready', 'Failed']),
  path: z.string().describe('Below the state folder'),
  sizeBytes: z.int().min(0),
  digest: z.string(),
  /** Epoch milliseconds, by the node's clock. */
  keptAtMs: z.number(),
  expiresAtMs: z.number(),
  message: z.string().optional(),
})
export type KeptCheckpoint = z.infer<typeof KeptCheckpoint>
export const KeptCheckpoints = z.object({ checkpoints: z.array(KeptCheckpoint) })

/** The network wish for one node: which pods can move (SNAT rule), and which live away from home. */
export const NetworkState = z.object({
  nodeIps: z.array(z.string()).describe('At most one of each family'),
  podCidrs: z.array(z.string()),
  movable: z.array(z.string()).describe('Addresses of all pods under our RuntimeClass, of families that the node has'),
  moved: z.array(z.object({ ip: z.string(), nodeIp: z.string().describe('node where it lives now'), homeNodeIp: z.string().optional() })),
})
export type NetworkState = z.infer<typeof NetworkState>
