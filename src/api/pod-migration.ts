// PodMigration: one move of one pod, its wish (spec) and everything that happened to it (status).
import { z } from 'zod'
import { conditionTypes, phases } from './phases.ts'

const immutable = {
  'x-kubernetes-validations': [{ rule: 'self == oldSelf', message: 'is immutable: create another PodMigration instead' }],
}

export const migrationModes = ['PreCopy', 'PostCopy', 'Cold'] as const
export const nonConvergenceAnswers = ['Freeze', 'Abort', 'PostCopy'] as const
export const tcpPreservationModes = ['Strict', 'BestEffort', 'None'] as const
export const storageStrategies = ['Auto', 'Skip', 'Sync', 'SnapshotClone', 'DualEngine'] as const

export const ApplicationProbe = z
  .object({
    protocol: z.enum(['SQL', 'HTTP', 'gRPC', 'TCP']),
    port: z.int().min(1).max(65535),
    path: z.string().optional().describe('HTTP path; default /'),
    query: z.string().optional().describe('SQL query; default SELECT 1'),
    timeoutSeconds: z.int().min(1).max(300).default(5),
    when: z.enum(['AfterCommit', 'BeforeCommit']).default('AfterCommit'),
  })
  .describe('Asked on the destination before cutover')
export type ApplicationProbe = z.infer<typeof ApplicationProbe>

export const PodMigrationSpec = z
  .object({
    podName: z.string().min(1).max(253).meta(immutable).describe('Name of the pod to move'),
    podNamespace: z.string().min(1).max(63).meta(immutable).describe('Namespace of the pod; must be that of this object'),
    sourcePodUID: z.string().max(64).optional().describe('UID of the pod; a pod of the same name with another UID is refused'),
    targetNodeName: z.string().max(253).optional().describe('Destination node; empty: the extender picks'),
    migrationPolicyRef: z
      .object({ name: z.string().min(1) })
      .optional()
      .describe('The MigrationPolicy that wished this move, which counts against its budgets; refused when it does not exist'),
    mode: z
      .enum(migrationModes)
      .default('PreCopy')
      .describe(
        'PreCopy: memory goes ahead in rounds; PostCopy: and what is written meanwhile follows after the freeze, until then the source must not be lost; Cold: all of it in the freeze, and its images are kept on the source for a while (MigrationCheckpoint)',
      ),
    preCopyMaxRounds: z.int().min(1).max(20).default(5).describe('Rounds of memory ahead of the freeze, at most'),
    preCopyDirtyThresholdMB: z
      .int()
      .min(1)
      .max(1048576)
      .default(64)
      .describe('At or under this many MB left to copy, the freeze may start'),
    onNonConvergence: z
      .enum(nonConvergenceAnswers)
      .default('Freeze')
      .describe(
        'When memory is written faster than rounds copy it, so that the freeze would clearly exceed freezeWindowBudgetMs. Freeze: it is tried, and goes back when it does; Abort: the pod is not frozen, reason NotConverging; PostCopy: goes on in that mode, or as Abort where a node or the pod cannot. Without a meaning in modes Cold and PostCopy',
      ),
    bandwidthLimitMbps: z.int().min(0).max(1000000).default(0).describe('0: no limit'),
    completionTimeoutSeconds: z.int().min(30).max(86400).default(600).describe('A move that has not committed by then goes back'),
    storageStrategy: z
      .enum(storageStrategies)
      .default('Auto')
      .describe('Auto and Sync: files of the pod go along; Skip: they stay; the others are refused'),
    tcpPreservationMode: z
      .enum(tcpPreservationModes)
      .default('None')
      .describe(
        'Strict: every connection is proven to be whole while traffic is held, or the pod goes back; BestEffort: a warning; None: not looked at',
      ),
    freezeWindowBudgetMs: z
      .int()
      .min(50)
      .max(10000)
      .default(500)
      .describe('Longest freeze: not begun when the estimate is over it, gone back from when it is exceeded before the commit'),
    applicationProbe: ApplicationProbe.optional(),
    dryRun: z.boolean().default(false).describe('Only says whether the pod could be moved, and what it would cost'),
    rollbackOnFailure: z
      .boolean()
      .default(true)
      .describe('false: the failed destination stays for inspection until the timeout; the source always goes on'),
    affinityMode: z
      .enum(['strict', 'patch', 'ignore'])
      .default('strict')
      .describe("strict: the pod's own scheduling rules hold on the destination; ignore: its own node and pod affinity do not"),
    sourcePodIP: z.string().max(45).optional().describe('Address of the pod, only where its status has none'),
    destinationCluster: z.string().max(253).optional().describe('Reserved: refused when set'),
  })
  .meta({
    'x-kubernetes-validations': [
      {
        rule: "!has(self.destinationCluster) || self.destinationCluster == ''",
        messageExpression:
          "'spec.destinationCluster: \"' + self.destinationCluster + '\" is set, but moves to another cluster do not exist yet: remove the field'",
        message: 'spec.destinationCluster is reserved: remove the field',
      },
    ],
  })
export type PodMigrationSpec = z.infer<typeof PodMigrationSpec>

export const Condition = z.object({
  type: z.enum(conditionTypes),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: z.string(),
  message: z.string().optional(),
  lastTransitionTime: z.string(),
})
export type Condition = z.infer<typeof Condition>

/** Why something is refused: a stable code, what was found, what to do. */
export const Refusal = z.object({ code: z.string(), message: z.string(), remedy: z.string().optional() })
export type Refusal = z.infer<typeof Refusal>

export const PreCopyRound = z.object({
  round: z.int(),
  pages: z.int(),
  copiedMB: z.number(),
  sentMB: z.number().optional().describe('What they became on the way, packed'),
  dirtyRateMBps: z.number(),
  durationMs: z.number(),
})
export type PreCopyRound = z.infer<typeof PreCopyRound>

export const NonConvergence = z.object({
  dirtyRateMBps: z.number().describe('What the pod wrote'),
  leftMB: z.number().describe('What was left for the freeze after the last round, at least'),
  predictedFreezeMs: z.int().describe('What sending that would have taken, at the best rate that was measured'),
  budgetMs: z.int(),
  answer: z.enum(nonConvergenceAnswers).describe('What was done: spec.onNonConvergence, or Abort where mode PostCopy could not be had'),
  message: z.string(),
})
export type NonConvergence = z.infer<typeof NonConvergence>

export const PreCopy = z.object({
  rounds: z.array(PreCopyRound),
  reason: z.string().optional(),
  nonConvergence: NonConvergence.optional().describe('The predicted freeze clearly exceeded its budget, and what came of it'),
})

export const FlowCounts = z.object({
  direct: z.int().describe('Carried as they are'),
  translated: z.int().describe("The pod's own to Services: the chosen endpoint went along"),
  relayed: z.int().describe('Through a node that stands in for one end, until they end'),
  relayedThrough: z.array(z.string()).describe('Addresses of those nodes'),
})
export type FlowCounts = z.infer<typeof FlowCounts>

export const PodMigrationStatus = z.object({
  phase: z.enum(phases).optional(),
  observedGeneration: z.int().optional(),
  message: z.string().optional().describe('One sentence: what happens now or what happened'),
  nextStep: z.string().optional().describe('What a person can do, when there is something to do'),
  startedAt: z.string().optional(),
  completedAt: z.string().optional(),
  sourceNode: z.string().optional(),
  sourcePodName: z.string().optional(),
  sourcePodUID: z.string().optional(),
  podIP: z.string().optional(),
  destinationNode: z.string().optional(),
  destinationPodName: z.string().optional(),
  destinationPodUID: z.string().optional(),
  reservation: z
    .object({ nodeName: z.string(), cpuMillis: z.int(), memoryBytes: z.int() })
    .optional()
    .describe('Room kept on the destination while the move is open'),
  moveStartedAt: z.string().optional().describe('Intent written before the agents are told to move'),
  granted: z.boolean().optional(),
  committedAt: z.string().optional().describe('The point of no return; from here the pod lives on the destination'),
  cutoverAt: z.string().optional(),
  rollbackStartedAt: z.string().optional().describe('When the way back was decided; the pod stays on its source'),
  preCopy: PreCopy.optional(),
  mode: z.enum(migrationModes).optional().describe('What the move became, when it is another mode than spec.mode'),
  postCopy: z
    .object({
      stayedMB: z.number().describe('Memory that was left at the source in the freeze'),
      atSourceMB: z.number().describe('Of it, what is still there'),
    })
    .optional()
    .describe('Mode PostCopy: until nothing is at the source any more the pod needs both nodes'),
  freeze: z
    .object({
      holdMs: z.number().optional(),
      freezeMs: z.number().optional(),
      steps: z.array(z.object({ name: z.string(), ms: z.number() })).optional(),
    })
    .optional(),
  estimate: z
    .object({
      memoryMB: z.number(),
      freezeMs: z.number(),
      totalSeconds: z.number(),
      pace: z.number().optional().describe('What the last moves took over what was reckoned, taken into freezeMs'),
    })
    .optional(),
  bytesMoved: z.int().optional(),
  connections: z.object({ source: z.int(), destination: z.int(), lost: z.int() }).optional(),
  flows: FlowCounts.optional().describe('Flows of the pod, TCP and UDP, by how they go on'),
  sequenceDelta: z.int().optional(),
  refusals: z.array(Refusal).optional(),
  failure: z.object({ code: z.string(), message: z.string(), phase: z.string().optional() }).optional(),
  warnings: z.array(z.string()).optional().describe('What the move could not take along or had to do otherwise, in sentences'),
  timeline: z
    .array(z.object({ step: z.string(), at: z.string(), node: z.string().optional() }))
    .optional()
    .describe('Every step with its real time, as the agents journalled it'),
  conditions: z.array(Condition).optional(),
})
export type PodMigrationStatus = z.infer<typeof PodMigrationStatus>

export const ObjectMeta = z.looseObject({
  name: z.string(),
  namespace: z.string().optional(),
  uid: z.string().optional(),
  generation: z.int().optional(),
  resourceVersion: z.string().optional(),
  creationTimestamp: z.string().optional(),
  deletionTimestamp: z.string().optional(),
  finalizers: z.array(z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
  labels: z.record(z.string(), z.string()).optional(),
})
export type ObjectMeta = z.infer<typeof ObjectMeta>

export const PodMigration = z.object({
  apiVersion: z.string(),
  kind: z.literal('PodMigration'),
  metadata: ObjectMeta,
  spec: PodMigrationSpec,
  status: PodMigrationStatus.optional(),
})
export type PodMigration = z.infer<typeof PodMigration>
