// Arguments of the descheduling strategies: names and defaults of the stock descheduler 0.36 (pkg/framework/plugins of kubernetes-sigs/descheduler).
import { z } from 'zod'
import { LabelSelector } from './label-selector.ts'

const uint = z.int().min(0)
const int32 = z.int().min(-2_147_483_648).max(2_147_483_647)
const names = z.array(z.string())

const percent = 'expected a percent from 0 to 100'

/** Resource name to percent: cpu, memory, pods, any extended resource, or MetricResource for Prometheus. */
export const ResourceThresholds = z.record(z.string(), z.number(percent).min(0, percent).max(100, percent))
export type ResourceThresholds = z.infer<typeof ResourceThresholds>

export const NamespaceChoice = z.strictObject({ include: names.optional(), exclude: names.optional() })
export type NamespaceChoice = z.infer<typeof NamespaceChoice>

const selection = {
  namespaces: NamespaceChoice.optional().describe('Either include or exclude'),
  labelSelector: LabelSelector.optional(),
}

export const RemoveDuplicatesArguments = z.strictObject({
  namespaces: NamespaceChoice.optional(),
  excludeOwnerKinds: names.optional(),
})
export type RemoveDuplicatesArguments = z.infer<typeof RemoveDuplicatesArguments>

export const metricsSources = ['KubernetesMetrics', 'Prometheus'] as const

export const MetricsProvider = z.strictObject({
  source: z.enum(metricsSources),
  prometheus: z
    .strictObject({
      url: z.string().optional(),
      authToken: z
        .strictObject({ secretReference: z.strictObject({ namespace: z.string().optional(), name: z.string().optional() }).optional() })
        .optional(),
    })
    .optional(),
})
export type MetricsProvider = z.infer<typeof MetricsProvider>

const MetricsUtilization = z.strictObject({
  metricsServer: z.boolean().optional().describe('Deprecated: source KubernetesMetrics'),
  source: z.enum(metricsSources).optional(),
  prometheus: z.strictObject({ query: z.string().optional() }).optional(),
})
export type MetricsUtilization = z.infer<typeof MetricsUtilization>

export const LowNodeUtilizationArguments = z.strictObject({
  useDeviationThresholds: z.boolean().default(false).describe('Thresholds are percent points under and over the average'),
  thresholds: ResourceThresholds.describe('Percent of allocatable; a node that is over none of them can take pods'),
  targetThresholds: ResourceThresholds.describe('Percent; a node over any of them gives pods away'),
  numberOfNodes: z.int().default(0).describe('Acts only when more nodes than this can take pods'),
  metricsUtilization: MetricsUtilization.optional(),
  evictableNamespaces: NamespaceChoice.optional().describe('Only exclude'),
  evictionLimits: z.strictObject({ node: uint.optional() }).optional(),
})
export type LowNodeUtilizationArguments = z.infer<typeof LowNodeUtilizationArguments>

export const HighNodeUtilizationArguments = z.strictObject({
  thresholds: ResourceThresholds.describe('Percent of allocatable; a node that is over none of them is emptied'),
  numberOfNodes: z.int().default(0).describe('Acts only when more nodes than this are under the thresholds'),
  evictionModes: z.array(z.enum(['OnlyThresholdingResources'])).optional(),
  evictableNamespaces: NamespaceChoice.optional().describe('Only exclude'),
})
export type HighNodeUtilizationArguments = z.infer<typeof HighNodeUtilizationArguments>

export const RemovePodsViolatingTopologySpreadConstraintArguments = z.strictObject({
  ...selection,
  constraints: z.array(z.enum(['DoNotSchedule', 'ScheduleAnyway'])).default(['DoNotSchedule']),
  topologyBalanceNodeFit: z.boolean().default(true),
})
export type RemovePodsViolatingTopologySpreadConstraintArguments = z.infer<typeof RemovePodsViolatingTopologySpreadConstraintArguments>

export const RemovePodsViolatingInterPodAntiAffinityArguments = z.strictObject({ ...selection })
export type RemovePodsViolatingInterPodAntiAffinityArguments = z.infer<typeof RemovePodsViolatingInterPodAntiAffinityArguments>

export const RemovePodsViolatingNodeAffinityArguments = z.strictObject({
  ...selection,
  nodeAffinityType: z
    .array(z.enum(['requiredDuringSchedulingIgnoredDuringExecution', 'preferredDuringSchedulingIgnoredDuringExecution']))
    .min(1),
})
export type RemovePodsViolatingNodeAffinityArguments = z.infer<typeof RemovePodsViolatingNodeAffinityArguments>

export const RemovePodsViolatingNodeTaintsArguments = z.strictObject({
  ...selection,
  includePreferNoSchedule: z.boolean().default(false),
  excludedTaints: names.optional().describe('key or key=value'),
  includedTaints: names.optional().describe('key or key=value; not together with excludedTaints'),
})
export type RemovePodsViolatingNodeTaintsArguments = z.infer<typeof RemovePodsViolatingNodeTaintsArguments>

export const RemovePodsHavingTooManyRestartsArguments = z.strictObject({
  ...selection,
  podRestartThreshold: int32.min(1),
  includingInitContainers: z.boolean().default(false),
  states: z.array(z.enum(['Running', 'CrashLoopBackOff'])).optional(),
})
export type RemovePodsHavingTooManyRestartsArguments = z.infer<typeof RemovePodsHavingTooManyRestartsArguments>

const podPhases = ['Running', 'Pending', 'Succeeded', 'Failed', 'Unknown']
const podReasons = ['NodeAffinity', 'NodeLost', 'Shutdown', 'UnexpectedAdmissionError']
const startReasons = ['PodInitializing', 'ContainerCreating', 'CreateContainerConfigError', 'CreateContainerError', 'CrashLoopBackOff']
const imageReasons = ['ImagePullBackOff', 'ErrImagePull', 'InvalidImageName']
const endReasons = ['OOMKilled', 'Error', 'Completed', 'DeadlineExceeded', 'Evicted', 'ContainerCannotRun', 'StartError']
export const podLifeTimeStates = [...podPhases, ...podReasons, ...startReasons, ...imageReasons, ...endReasons]

const PodConditionFilter = z.strictObject({
  type: z.string().optional(),
  status: z.string().optional(),
  reason: z.string().optional(),
  minTimeSinceLastTransitionSeconds: uint.optional(),
})
export type PodConditionFilter = z.infer<typeof PodConditionFilter>

export const PodLifeTimeArguments = z.strictObject({
  ...selection,
  ownerKinds: z.strictObject({ include: names.optional(), exclude: names.optional() }).optional(),
  maxPodLifeTimeSeconds: uint.optional(),
  states: z.array(z.enum(podLifeTimeStates)).optional(),
  conditions: z.array(PodConditionFilter).optional(),
  exitCodes: z.array(int32).optional(),
  includingInitContainers: z.boolean().default(false),
  includingEphemeralContainers: z.boolean().default(false),
})
export type PodLifeTimeArguments = z.infer<typeof PodLifeTimeArguments>

export const RemoveFailedPodsArguments = z.strictObject({
  ...selection,
  excludeOwnerKinds: names.optional(),
  minPodLifetimeSeconds: uint.default(3600),
  reasons: names.optional(),
  exitCodes: z.array(int32).optional(),
  includingInitContainers: z.boolean().default(false),
})
export type RemoveFailedPodsArguments = z.infer<typeof RemoveFailedPodsArguments>

export const defaultPodProtections = ['PodsWithLocalStorage', 'SystemCriticalPods', 'FailedBarePods', 'DaemonSetPods'] as const
export const extraPodProtections = ['PodsWithPVC', 'PodsWithoutPDB', 'PodsWithResourceClaims'] as const
export type PodProtection = (typeof defaultPodProtections)[number] | (typeof extraPodProtections)[number]

export const DefaultEvictorArguments = z.strictObject({
  nodeSelector: z.string().optional().describe('Nodes that nodeFit looks at, like "pool=a,disk in (ssd,nvme)"'),
  labelSelector: LabelSelector.optional(),
  namespaceLabelSelector: LabelSelector.optional(),
  priorityThreshold: z
    .strictObject({ value: int32.max(2_000_000_000).optional(), name: z.string().optional() })
    .optional()
    .describe('Either value or name of a PriorityClass; pods from it on are left alone'),
  nodeFit: z.boolean().default(false),
  minReplicas: uint.default(0),
  minPodAge: z.string().optional().describe('A duration like 90s or 1h30m'),
  noEvictionPolicy: z.enum(['Preferred', 'Mandatory']).optional(),
  podProtections: z
    .strictObject({
      extraEnabled: z.array(z.enum(extraPodProtections)).optional(),
      defaultDisabled: z.array(z.enum(defaultPodProtections)).optional(),
      config: z
        .strictObject({
          PodsWithPVC: z
            .strictObject({ protectedStorageClasses: z.array(z.strictObject({ name: z.string().min(1) })).optional() })
            .optional(),
        })
        .optional(),
    })
    .optional(),
  evictLocalStoragePods: z.boolean().default(false).describe('Deprecated: podProtections'),
  evictDaemonSetPods: z.boolean().default(false).describe('Deprecated: podProtections'),
  evictSystemCriticalPods: z.boolean().default(false).describe('Deprecated: podProtections'),
  ignorePvcPods: z.boolean().default(false).describe('Deprecated: podProtections'),
  ignorePodsWithoutPDB: z.boolean().default(false).describe('Deprecated: podProtections'),
  evictFailedBarePods: z.boolean().default(false).describe('Deprecated: podProtections'),
})
export type DefaultEvictorArguments = z.infer<typeof DefaultEvictorArguments>
