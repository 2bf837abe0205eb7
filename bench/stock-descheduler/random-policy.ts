// A random policy for the stock descheduler: one strategy with random arguments, a random default evictor.
import type { Dice } from './random.ts'

type Arguments = Record<string, unknown>

const balance: Record<string, (dice: Dice) => Arguments> = {
  RemoveDuplicates: (dice) => ({ ...namespaces(dice), ...maybe(dice, 0.2, { excludeOwnerKinds: ['Job'] }) }),
  LowNodeUtilization: (dice) => {
    const resources = ['cpu', ...dice.some(['memory', 'pods', 'example.com/gpu'], 0.4)]
    const useDeviationThresholds = dice.chance(0.3)
    const [low, high] = useDeviationThresholds ? [dice.upTo(15), dice.upTo(15)] : [20 + dice.upTo(30), 50 + dice.upTo(30)]
    const all = (percent: number) => Object.fromEntries(resources.map((resource) => [resource, percent]))
    return {
      thresholds: all(low),
      targetThresholds: all(high),
      ...maybe(dice, 1, useDeviationThresholds ? { useDeviationThresholds } : {}),
      ...maybe(dice, 0.2, { numberOfNodes: 1 }),
      ...maybe(dice, 0.2, { evictableNamespaces: { exclude: ['bank'] } }),
      ...maybe(dice, 0.2, { evictionLimits: { node: 1 + dice.upTo(3) } }),
      ...(resources.length < 4 && !resources.includes('example.com/gpu')
        ? maybe(dice, 0.3, { metricsUtilization: { source: 'KubernetesMetrics' } })
        : {}),
    }
  },
  HighNodeUtilization: (dice) => ({
    thresholds: Object.fromEntries(['cpu', ...dice.some(['memory', 'pods'], 0.4)].map((resource) => [resource, 30 + dice.upTo(50)])),
    ...maybe(dice, 0.2, { numberOfNodes: 1 }),
    ...maybe(dice, 0.3, { evictionModes: ['OnlyThresholdingResources'] }),
  }),
  RemovePodsViolatingTopologySpreadConstraint: (dice) => ({
    ...selection(dice),
    ...maybe(dice, 0.5, { constraints: ['DoNotSchedule', 'ScheduleAnyway'] }),
    ...maybe(dice, 0.3, { topologyBalanceNodeFit: false }),
  }),
}

const deschedule: Record<string, (dice: Dice) => Arguments> = {
  RemovePodsViolatingInterPodAntiAffinity: selection,
  RemovePodsViolatingNodeAffinity: (dice) => ({
    ...selection(dice),
    nodeAffinityType: dice.of([
      ['requiredDuringSchedulingIgnoredDuringExecution'],
      ['preferredDuringSchedulingIgnoredDuringExecution'],
      ['requiredDuringSchedulingIgnoredDuringExecution', 'preferredDuringSchedulingIgnoredDuringExecution'],
    ]),
  }),
  RemovePodsViolatingNodeTaints: (dice) => ({
    ...selection(dice),
    ...maybe(dice, 0.5, { includePreferNoSchedule: true }),
    ...dice.of<Arguments>([{}, {}, { excludedTaints: ['gpu'] }, { includedTaints: ['dedicated=a', 'gpu'] }]),
  }),
  RemovePodsHavingTooManyRestarts: (dice) => ({
    ...selection(dice),
    podRestartThreshold: 1 + dice.upTo(40),
    ...maybe(dice, 0.5, { includingInitContainers: true }),
    ...maybe(dice, 0.3, { states: ['CrashLoopBackOff'] }),
  }),
  PodLifeTime: (dice) => ({
    ...selection(dice),
    maxPodLifeTimeSeconds: 60 + dice.upTo(20) * 1000 + 500,
    ...maybe(dice, 0.4, {
      states: dice.of([['Running'], ['Pending', 'CrashLoopBackOff'], ['Failed', 'OOMKilled'], ['Evicted', 'Succeeded']]),
    }),
    ...maybe(dice, 0.2, { ownerKinds: dice.of<Arguments>([{ include: ['ReplicaSet'] }, { exclude: ['ReplicaSet', 'Job'] }]) }),
    ...maybe(dice, 0.2, {
      conditions: [{ reason: 'PodCompleted', status: 'True', minTimeSinceLastTransitionSeconds: 7000 }, { status: 'False' }],
    }),
    ...maybe(dice, 0.1, { exitCodes: [137] }),
  }),
  RemoveFailedPods: (dice) => ({
    ...selection(dice),
    ...maybe(dice, 0.6, { minPodLifetimeSeconds: dice.upTo(9000) }),
    ...maybe(dice, 0.4, { reasons: ['OOMKilled', 'NodeAffinity'] }),
    ...maybe(dice, 0.2, { exitCodes: [1] }),
    ...maybe(dice, 0.2, { excludeOwnerKinds: ['Job'] }),
  }),
}

export const randomStrategies = [...Object.keys(balance), ...Object.keys(deschedule)]

/** JSON is YAML. */
export function randomPolicy(dice: Dice, strategy: string): string {
  const point = strategy in balance ? 'balance' : 'deschedule'
  const args = (balance[strategy] ?? deschedule[strategy])?.(dice)
  const evictor = randomEvictor(dice)
  return JSON.stringify(
    {
      apiVersion: 'descheduler/v1alpha2',
      kind: 'DeschedulerPolicy',
      ...maybe(dice, 0.1, { nodeSelector: 'disk in (ssd,hdd),zone!=z3' }),
      ...(args?.metricsUtilization ? { metricsProviders: [{ source: 'KubernetesMetrics' }] } : {}),
      profiles: [
        {
          name: 'random',
          pluginConfig: [...(evictor ? [{ name: 'DefaultEvictor', args: evictor }] : []), { name: strategy, args }],
          plugins: { [point]: { enabled: [strategy] } },
        },
      ],
    },
    null,
    1,
  )
}

function randomEvictor(dice: Dice): Arguments | undefined {
  if (dice.chance(0.4)) return undefined
  return {
    ...maybe(dice, 0.4, { nodeFit: true }),
    ...maybe(dice, 0.15, { minReplicas: 2 + dice.upTo(8) }),
    ...maybe(dice, 0.15, { minPodAge: '1h30m' }),
    ...maybe(dice, 0.2, { priorityThreshold: dice.of<Arguments>([{ value: 4000 }, { name: 'important' }]) }),
    ...maybe(dice, 0.1, { labelSelector: { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['app-2'] }] } }),
    ...maybe(dice, 0.1, { namespaceLabelSelector: { matchLabels: { tier: 'high' } } }),
    ...maybe(dice, 0.2, { noEvictionPolicy: 'Mandatory' }),
    ...dice.of<Arguments>([
      {},
      { evictLocalStoragePods: true, ignorePvcPods: true },
      { evictDaemonSetPods: true, evictSystemCriticalPods: true, evictFailedBarePods: true },
      { podProtections: { extraEnabled: ['PodsWithoutPDB'], defaultDisabled: ['DaemonSetPods'] } },
      {
        podProtections: {
          extraEnabled: ['PodsWithPVC'],
          defaultDisabled: ['FailedBarePods'],
          config: { PodsWithPVC: { protectedStorageClasses: [{ name: 'fast' }] } },
        },
      },
    ]),
  }
}

function selection(dice: Dice): Arguments {
  return { ...namespaces(dice), ...maybe(dice, 0.15, { labelSelector: { matchLabels: { track: 'stable' } } }) }
}

function namespaces(dice: Dice): Arguments {
  return maybe(dice, 0.3, { namespaces: dice.of<Arguments>([{ include: ['shop', 'dev'] }, { exclude: ['bank'] }]) })
}

function maybe(dice: Dice, probability: number, args: Arguments): Arguments {
  return dice.chance(probability) ? args : {}
}
