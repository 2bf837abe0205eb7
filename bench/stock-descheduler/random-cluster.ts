// A random cluster with everything that strategies and protections look at.
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import { emptySnapshot, type Snapshot } from '../../src/cli/snapshot.ts'
import type { Dice } from './random.ts'

const gib = 2 ** 30
const namespaces = ['shop', 'bank', 'dev', 'default']

export function randomCluster(dice: Dice, nowMs: number): Snapshot {
  const nodes = Array.from({ length: 2 + dice.upTo(6) }, (_none, number) => randomNode(dice, number))
  // In a full cluster nothing fits elsewhere, in an empty one nothing is over a threshold.
  const fullness = dice.of([0.2, 0.5, 1])
  const owners = Array.from({ length: 3 + dice.upTo(5) }, (_none, number) => randomOwner(dice, number))
  const pods = Array.from({ length: 10 + dice.upTo(60) }, (_none, number) =>
    randomPod(dice, number, { nodes, fullness }, dice.of(owners), nowMs),
  )
  return {
    ...emptySnapshot(),
    nodes,
    pods,
    namespaces: namespaces.map((name) => ({ metadata: { name, labels: { tier: name === 'dev' ? 'low' : 'high' } } })),
    priorityClasses: [
      { metadata: { name: 'important' }, value: 5000 },
      { metadata: { name: 'priorityClassName1' }, value: 3000 },
    ],
    pdbs: [{ metadata: { name: 'pdb', namespace: 'shop' }, spec: { selector: { matchLabels: { app: 'app-0' } } } }],
    persistentVolumeClaims: ['fast', 'slow'].flatMap((name) =>
      namespaces.map((namespace) => ({ metadata: { name, namespace }, spec: { storageClassName: name } })),
    ),
    nodeMetrics: nodes.map(({ metadata }) => ({
      metadata: { name: metadata?.name ?? '' },
      usage: { cpu: `${dice.upTo(8000)}m`, memory: `${dice.upTo(16 * 1024)}Mi` },
    })),
    podMetrics: pods.map(({ metadata }) => ({
      metadata: { name: metadata?.name ?? '', namespace: metadata?.namespace ?? '' },
      containers: [{ name: 'main', usage: { cpu: `${dice.upTo(900)}m`, memory: `${dice.upTo(2048)}Mi` } }],
    })),
  } as Snapshot
}

function randomNode(dice: Dice, number: number): V1Node {
  const name = `node-${number}`
  const taints = dice.chance(0.25)
    ? [{ key: dice.of(['dedicated', 'gpu']), value: dice.of(['a', 'b']), effect: dice.of(['NoSchedule', 'PreferNoSchedule', 'NoExecute']) }]
    : []
  const unschedulable = dice.chance(0.1)
  return {
    metadata: {
      name,
      uid: `uid-${name}`,
      labels: {
        'kubernetes.io/hostname': name,
        zone: dice.of(['z1', 'z2', 'z3']),
        disk: dice.of(['ssd', 'hdd']),
        size: String(dice.upTo(4)),
      },
    },
    spec: { ...(taints.length > 0 ? { taints } : {}), ...(unschedulable ? { unschedulable } : {}) },
    status: {
      allocatable: {
        cpu: String(4 + dice.upTo(5)),
        memory: `${8 + dice.upTo(9)}Gi`,
        pods: String(dice.of([12, 20, 110])),
        ...(dice.chance(0.3) ? { 'example.com/gpu': '4' } : {}),
      },
      conditions: [{ type: 'Ready', status: dice.chance(0.93) ? 'True' : 'False' }],
    },
  } as unknown as V1Node
}

interface Owner {
  namespace: string
  app: string
  kind: string
  spec: Record<string, unknown>
  image: string
}

interface Where {
  nodes: readonly V1Node[]
  fullness: number
}

/** Pods of one owner are alike, as those of a ReplicaSet are. */
function randomOwner(dice: Dice, number: number): Owner {
  const app = `app-${number % 4}`
  const affinity = { ...randomNodeAffinity(dice), ...randomAntiAffinity(dice, app) }
  return {
    namespace: dice.of(namespaces),
    app,
    kind: dice.of(['ReplicaSet', 'ReplicaSet', 'ReplicaSet', 'ReplicaSet', 'StatefulSet', 'DaemonSet', 'Job', 'none']),
    image: dice.of(['web:1', 'web:2', 'db:1']),
    spec: {
      ...(Object.keys(affinity).length > 0 ? { affinity } : {}),
      ...(dice.chance(0.3) ? { tolerations: [randomToleration(dice)] } : {}),
      ...(dice.chance(0.1) ? { nodeSelector: { disk: 'ssd' } } : {}),
      ...(dice.chance(0.7) ? { topologySpreadConstraints: [randomConstraint(dice, app)] } : {}),
    },
  }
}

function randomNodeAffinity(dice: Dice): object {
  if (!dice.chance(0.5)) return {}
  const requirement = dice.of([
    { key: 'disk', operator: 'In', values: ['ssd'] },
    { key: 'zone', operator: 'NotIn', values: ['z1'] },
    { key: 'size', operator: 'Gt', values: ['1'] },
    { key: 'gone', operator: 'DoesNotExist' },
  ])
  const term = { matchExpressions: [requirement] }
  return {
    nodeAffinity: dice.chance(0.5)
      ? { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] } }
      : { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1 + dice.upTo(100), preference: term }] },
  }
}

function randomAntiAffinity(dice: Dice, app: string): object {
  if (!dice.chance(0.3)) return {}
  const term = {
    topologyKey: dice.of(['kubernetes.io/hostname', 'zone']),
    labelSelector: { matchLabels: { app: dice.chance(0.7) ? app : 'app-1' } },
    ...(dice.chance(0.2) ? { namespaces: ['shop', 'bank'] } : {}),
  }
  return { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } }
}

function randomToleration(dice: Dice): object {
  return dice.of([
    { key: 'dedicated', operator: 'Exists' },
    { key: 'dedicated', operator: 'Equal', value: 'a', effect: 'NoSchedule' },
    { operator: 'Exists' },
    { key: 'gpu', operator: 'Exists', effect: 'NoSchedule' },
  ])
}

function randomConstraint(dice: Dice, app: string): object {
  return {
    maxSkew: 1 + dice.upTo(2),
    topologyKey: dice.of(['kubernetes.io/hostname', 'zone']),
    whenUnsatisfiable: dice.of(['DoNotSchedule', 'DoNotSchedule', 'ScheduleAnyway']),
    labelSelector: { matchLabels: { app } },
    ...(dice.chance(0.2) ? { nodeTaintsPolicy: 'Honor' } : {}),
    ...(dice.chance(0.2) ? { nodeAffinityPolicy: 'Ignore' } : {}),
  }
}

function randomPod(dice: Dice, number: number, { nodes, fullness }: Where, owner: Owner, nowMs: number): V1Pod {
  const name = `pod-${number}`
  // Different ages and priorities: where both descheduler's orders are the same, so are their victims.
  const days = dice.chance(0.3) ? 8 * 86_400 : 0
  const createdMs = nowMs - (60 + days + dice.upTo(20) * 1000 + number) * 1000
  const annotations = randomAnnotations(dice)
  const ownerReferences = [
    {
      apiVersion: 'v1',
      kind: owner.kind,
      name: `${owner.app}-${owner.kind}`,
      uid: `uid-${owner.app}-${owner.kind}-${owner.namespace}`,
      controller: true,
    },
  ]
  return {
    metadata: {
      name,
      namespace: owner.namespace,
      uid: `uid-${name}`,
      creationTimestamp: iso(createdMs),
      labels: { app: owner.app, track: dice.of(['stable', 'canary']) },
      ...(annotations ? { annotations } : {}),
      ...(owner.kind === 'none' ? {} : { ownerReferences }),
      ...(dice.chance(0.03) ? { deletionTimestamp: iso(nowMs - 1000), deletionGracePeriodSeconds: 30, finalizers: ['a/b'] } : {}),
    },
    spec: {
      ...owner.spec,
      ...randomSpec(dice, number),
      nodeName: dice.of(nodes).metadata?.name ?? '',
      containers: [randomContainer(dice, owner.image, fullness)],
    },
    status: randomStatus(dice, createdMs),
  } as unknown as V1Pod
}

function iso(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}

function randomAnnotations(dice: Dice): Record<string, string> | undefined {
  if (dice.chance(0.05)) return { 'descheduler.alpha.kubernetes.io/evict': 'true' }
  if (dice.chance(0.08)) return { 'descheduler.alpha.kubernetes.io/prefer-no-eviction': '' }
  return dice.chance(0.03) ? { 'kubernetes.io/config.mirror': 'x', 'kubernetes.io/config.source': 'file' } : undefined
}

function randomSpec(dice: Dice, number: number): object {
  const claim = { name: 'data', persistentVolumeClaim: { claimName: dice.of(['fast', 'slow', 'gone']) } }
  const volumes = [...(dice.chance(0.1) ? [{ name: 'tmp', emptyDir: {} }] : []), ...(dice.chance(0.15) ? [claim] : [])]
  return {
    ...(volumes.length > 0 ? { volumes } : {}),
    ...(dice.chance(0.9) ? { priority: dice.chance(0.05) ? 2_000_000_000 : dice.upTo(2) * 4900 + number } : {}),
  }
}

function randomContainer(dice: Dice, image: string, fullness: number): object {
  const requests = {
    ...(dice.chance(0.8) ? { cpu: `${Math.round((100 + dice.upTo(1200)) * fullness)}m` } : {}),
    ...(dice.chance(0.8) ? { memory: String(Math.round((0.2 + dice.next() * 2) * fullness * gib)) } : {}),
    ...(dice.chance(0.1) ? { 'example.com/gpu': '1' } : {}),
  }
  return { name: 'main', image, resources: { requests, ...(dice.chance(0.2) ? { limits: requests } : {}) } }
}

function randomStatus(dice: Dice, createdMs: number): object {
  const phase = dice.of(['Running', 'Running', 'Running', 'Running', 'Running', 'Running', 'Pending', 'Failed', 'Failed', 'Succeeded'])
  const state =
    phase === 'Failed'
      ? { terminated: { reason: dice.of(['Error', 'OOMKilled']), exitCode: dice.of([1, 137]) } }
      : dice.chance(0.2)
        ? { waiting: { reason: dice.of(['CrashLoopBackOff', 'ImagePullBackOff', 'CreateContainerConfigError']) } }
        : { running: {} }
  return {
    phase,
    ...(dice.chance(0.9) ? { startTime: iso(createdMs + 1000) } : {}),
    ...(phase === 'Failed' && dice.chance(0.5) ? { reason: dice.of(['Evicted', 'NodeAffinity']) } : {}),
    conditions: [
      {
        type: 'Ready',
        status: dice.of(['True', 'False']),
        reason: dice.of(['PodCompleted', 'Other']),
        lastTransitionTime: iso(createdMs + 5000),
      },
    ],
    containerStatuses: [
      { name: 'main', image: '', imageID: '', ready: true, restartCount: dice.chance(0.2) ? 90 + dice.upTo(40) : dice.upTo(40), state },
    ],
    ...(dice.chance(0.3)
      ? {
          initContainerStatuses: [
            { name: 'init', image: '', imageID: '', ready: true, restartCount: dice.upTo(20), state: { running: {} } },
          ],
        }
      : {}),
  }
}
