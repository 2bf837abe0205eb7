// plan: the moves that bring the cluster (or a snapshot of it) to a goal; plan POD: every node as a destination of one pod, with the parts of its score.
import type {
  V1Namespace,
  V1Node,
  V1PersistentVolume,
  V1PersistentVolumeClaim,
  V1Pod,
  V1PodDisruptionBudget,
} from '@kubernetes/client-node'
import type { NodeMigrationCapacity } from '../../api/node-migration-capacity.ts'
import type { PodMigration } from '../../api/pod-migration.ts'
import { parseSnapshot } from '../../cli/snapshot.ts'
import { rankDestinations } from '../../extender/rank.ts'
import { isNotFound, type KubeClient } from '../../kube/client.ts'
import * as paths from '../../kube/paths.ts'
import { planWithExact } from '../../planner/exact/plan-with-exact.ts'
import { checkGoal, parseGoal } from '../../planner/goal-text.ts'
import type { PlanningInput, PodUsage } from '../../planner/input.ts'
import { describePlan } from '../../planner/plan-text.ts'
import { CodedError } from '../../runtime/errors.ts'
import { describeRanking } from '../destinations-text.ts'
import type { Invocation } from '../invocation.ts'
import { structured } from '../output.ts'

const usualSeconds = 5

export function plan(invocation: Invocation): Promise<number> {
  return invocation.name === undefined ? planGoal(invocation) : rankForPod(invocation)
}

async function planGoal({ terminal, client, options }: Invocation): Promise<number> {
  const goal = parseGoal(options.goal ?? 'balance')
  const input = options.snapshot ? parseSnapshot(await terminal.read(options.snapshot), options.snapshot) : await readCluster(client)
  checkGoal(
    goal,
    input.nodes.map(({ metadata }) => metadata?.name ?? ''),
  )
  const seconds = options.seconds ?? usualSeconds
  const untilMs = terminal.clock.nowMs() + seconds * 1000
  const isOver = () => terminal.clock.nowMs() >= untilMs || terminal.interrupted.aborted
  const { maxMoves: mostMoves, seed, bandwidthMbps } = options
  const found = await planWithExact(input, { goal, isOver, seconds, mostMoves, seed, bandwidthMbps })
  terminal.out(structured(found, options.output) ?? describePlan(found))
  return 0
}

async function readCluster(client: KubeClient): Promise<PlanningInput> {
  const [nodes, pods, pdbs, namespaces, persistentVolumeClaims, persistentVolumes, podMetrics] = await Promise.all([
    all<V1Node>(client, paths.nodePath()),
    all<V1Pod>(client, paths.podPath()),
    all<V1PodDisruptionBudget>(client, paths.pdbPath()),
    all<V1Namespace>(client, paths.namespacePath()),
    all<V1PersistentVolumeClaim>(client, paths.persistentVolumeClaimPath()),
    all<V1PersistentVolume>(client, '/api/v1/persistentvolumes'),
    whereThere<PodUsage>(client, '/apis/metrics.k8s.io/v1beta1/pods'),
  ])
  return { nodes, pods, pdbs, namespaces, persistentVolumeClaims, persistentVolumes, podMetrics }
}

async function rankForPod({ terminal, client, namespace, name = '', options }: Invocation): Promise<number> {
  const pod = await findPod(client, namespace, name)
  const [nodes, pods, capacities, migrations] = await Promise.all([
    all<V1Node>(client, paths.nodePath()),
    all<V1Pod>(client, paths.podPath()),
    whereThere<NodeMigrationCapacity>(client, paths.nodeMigrationCapacityPath()),
    whereThere<PodMigration>(client, paths.podMigrationPath()),
  ])
  const ranked = rankDestinations(pod, { nodes, pods, capacities, migrations, nowMs: terminal.clock.nowMs() })
  terminal.out(structured(ranked, options.output) ?? describeRanking(pod, ranked))
  return ranked.some(({ fits }) => fits) ? 0 : 1
}

async function findPod(client: KubeClient, namespace: string, name: string): Promise<V1Pod> {
  try {
    return await client.get<V1Pod>(paths.podPath(namespace, name))
  } catch (error) {
    if (!isNotFound(error)) throw error
    throw new CodedError(
      'NotFound',
      `Planning for pod ${name}: namespace ${namespace} has no such pod: see kubectl get pods -n ${namespace}`,
    )
  }
}

async function all<T>(client: KubeClient, path: string): Promise<T[]> {
  return (await client.list<T>(path)).items
}

/** APIs that a cluster need not have. */
async function whereThere<T>(client: KubeClient, path: string): Promise<T[]> {
  try {
    return await all<T>(client, path)
  } catch (error) {
    if (isNotFound(error)) return []
    throw error
  }
}
