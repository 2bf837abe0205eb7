// Clusters from a seed: sizes, rules and volumes as they are met, hot and new nodes as the reason to plan. Placed by a small scheduler of its own.
import type { V1Node, V1Pod, V1PodDisruptionBudget } from '@kubernetes/client-node'
import type { PlanningInput } from '../../src/planner/input.ts'
import { below, type Chance, chanceFrom } from '../../src/planner/random.ts'

export interface ClusterWish {
  seed: number
  nodeCount: number
  podCount: number
  /** Part of the nodes that are nearly full, and that were just added. */
  hotPart?: number
  newPart?: number
  /** Part of the deployments that have each kind of rule. */
  rulesPart?: number
  /** How full the others are. */
  usualFill?: number
}

const zones = ['a', 'b', 'c']
const hostname = 'kubernetes.io/hostname'
const zoneLabel = 'topology.kubernetes.io/zone'

interface Draft {
  name: string
  zone: string
  cpu: number
  memoryMi: number
  ssd: boolean
  dedicated: boolean
  fill: number
  usedCpu: number
  usedMemoryMi: number
  pods: number
}

interface Deployment {
  name: string
  cpu: number
  memoryMi: number
  rule: 'none' | 'apart' | 'spread' | 'ssd' | 'dedicated' | 'zonal' | 'guarded'
}

export function generatedCluster(wish: ClusterWish): Required<Pick<PlanningInput, 'nodes' | 'pods' | 'pdbs'>> {
  const chance = chanceFrom(wish.seed)
  const drafts = Array.from({ length: wish.nodeCount }, (_none, number) => draftNode(number, wish, chance))
  const pods: V1Pod[] = []
  const guarded: string[] = []
  const sizeFactor = averageFill(drafts) / wish.podCount
  for (let number = 0; pods.length < wish.podCount; number++) {
    const deployment = draftDeployment(number, wish, sizeFactor, chance)
    if (deployment.rule === 'guarded') guarded.push(deployment.name)
    const replicas = Math.min(wish.podCount - pods.length, 1 + Math.floor(chance() ** 2 * 12))
    placeReplicas(deployment, replicas, drafts, pods, chance)
    if (number > wish.podCount * 4) break
  }
  return { nodes: drafts.map(nodeOf), pods, pdbs: guarded.map(budgetOf) }
}

function draftNode(number: number, wish: ClusterWish, chance: Chance): Draft {
  const { hotPart = 0.08, newPart = 0.06, usualFill = 0.5 } = wish
  const size = [8, 16, 16, 32][below(chance, 4)] ?? 16
  const kind = chance()
  const fill = kind < hotPart ? 0.9 : kind < hotPart + newPart ? 0.05 : usualFill + 0.08 * (chance() - 0.5)
  return {
    name: `node-${String(number).padStart(4, '0')}`,
    zone: zones[number % zones.length] ?? 'a',
    cpu: size * 1000,
    memoryMi: size * 4096,
    ssd: chance() < 0.4,
    dedicated: number % 25 === 24,
    fill,
    usedCpu: 0,
    usedMemoryMi: 0,
    pods: 0,
  }
}

/** Millicores that should be used in all. */
function averageFill(drafts: readonly Draft[]): number {
  return drafts.reduce((sum, { cpu, fill }) => sum + cpu * fill, 0)
}

function draftDeployment(number: number, { rulesPart = 0.3 }: ClusterWish, sizeFactor: number, chance: Chance): Deployment {
  const rules = ['apart', 'spread', 'ssd', 'dedicated', 'zonal', 'guarded'] as const
  const heavy = chance()
  // Most pods are small, a few are some ten times as large.
  const cpu = Math.max(10, Math.round((sizeFactor * (0.25 + 2.2 * heavy ** 3 + 0.4 * chance())) / 10) * 10)
  const memoryMi = Math.max(64, Math.round(cpu * (2 + 4 * chance())))
  return { name: `app-${number}`, cpu, memoryMi, rule: chance() < rulesPart ? (rules[below(chance, rules.length)] ?? 'none') : 'none' }
}

function placeReplicas(deployment: Deployment, replicas: number, drafts: readonly Draft[], pods: V1Pod[], chance: Chance): void {
  const taken = new Set<Draft>()
  const byZone = new Map(zones.map((zone) => [zone, 0]))
  for (let replica = 0; replica < replicas; replica++) {
    const place = choose(deployment, drafts, taken, byZone, chance)
    if (!place) return
    place.usedCpu += deployment.cpu
    place.usedMemoryMi += deployment.memoryMi
    place.pods++
    taken.add(place)
    byZone.set(place.zone, (byZone.get(place.zone) ?? 0) + 1)
    pods.push(podOf(deployment, replica, place))
  }
}

function choose(
  deployment: Deployment,
  drafts: readonly Draft[],
  taken: ReadonlySet<Draft>,
  byZone: ReadonlyMap<string, number>,
  chance: Chance,
): Draft | undefined {
  const least = Math.min(...byZone.values())
  let best: { draft: Draft; score: number } | undefined
  for (const draft of drafts) {
    if ((draft.dedicated && deployment.rule !== 'dedicated') || (deployment.rule === 'ssd' && !draft.ssd)) continue
    if (deployment.rule === 'apart' && taken.has(draft)) continue
    if (deployment.rule === 'spread' && byZone.get(draft.zone) !== least) continue
    if (draft.usedCpu + deployment.cpu > draft.cpu || draft.usedMemoryMi + deployment.memoryMi > draft.memoryMi || draft.pods >= 110)
      continue
    const used = Math.max(draft.usedCpu / draft.cpu, draft.usedMemoryMi / draft.memoryMi)
    const score = draft.fill - used + 0.05 * chance()
    if (!best || score > best.score) best = { draft, score }
  }
  return best?.draft
}

function nodeOf({ name, zone, cpu, memoryMi, ssd, dedicated }: Draft): V1Node {
  return {
    metadata: { name, labels: { [hostname]: name, [zoneLabel]: zone, ...(ssd ? { disk: 'ssd' } : {}) } },
    spec: dedicated ? { taints: [{ key: 'dedicated', value: 'batch', effect: 'NoSchedule' }] } : {},
    status: {
      allocatable: { cpu: `${cpu}m`, memory: `${memoryMi}Mi`, pods: '110' },
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  }
}

function podOf(deployment: Deployment, replica: number, place: Draft): V1Pod {
  const { name, cpu, memoryMi, rule } = deployment
  const labelSelector = { matchLabels: { app: name } }
  const spread = { maxSkew: 1, topologyKey: zoneLabel, whenUnsatisfiable: 'DoNotSchedule', labelSelector }
  const apart = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: hostname, labelSelector }] } }
  return {
    metadata: {
      namespace: 'shop',
      name: `${name}-${replica}`,
      uid: `${name}-${replica}`,
      labels: { app: name },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name, uid: name, controller: true }],
    },
    spec: {
      nodeName: place.name,
      containers: [{ name: 'app', resources: { requests: { cpu: `${cpu}m`, memory: `${memoryMi}Mi` } } }],
      ...(rule === 'apart' ? { affinity: apart } : {}),
      ...(rule === 'spread' ? { topologySpreadConstraints: [spread] } : {}),
      ...(rule === 'ssd' ? { nodeSelector: { disk: 'ssd' } } : {}),
      ...(rule === 'dedicated' ? { tolerations: [{ key: 'dedicated', operator: 'Exists' }] } : {}),
      ...(rule === 'zonal' ? { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: `data-${replica}` } }] } : {}),
    },
    status: { phase: 'Running' },
  }
}

function budgetOf(name: string): V1PodDisruptionBudget {
  return {
    metadata: { namespace: 'shop', name },
    spec: { minAvailable: '100%', selector: { matchLabels: { app: name } } },
    status: { disruptionsAllowed: 0, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1 },
  }
}
