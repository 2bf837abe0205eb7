// A snapshot of the cluster that the kubeconfig names, read now.
import { gatherFacts } from '../descheduler/gather-facts.ts'
import type { KubeClient } from '../kube/client.ts'
import { migrationPolicyPath, nodeMigrationCapacityPath, nodePath, podMigrationPath, podPath, replicaSetPath } from '../kube/paths.ts'
import { emptySnapshot, type Snapshot } from './snapshot.ts'

type FactsWish = Parameters<typeof gatherFacts>[1]

export async function readCluster(client: KubeClient, wish: FactsWish): Promise<Snapshot> {
  const list = async <T>(path: string): Promise<T[]> => (await client.list<T>(path)).items
  const optional = <T>(path: string): Promise<T[]> => list<T>(path).catch(() => [])
  const [nodes, pods, replicaSets, capacities, migrations, policies, facts] = await Promise.all([
    list<Snapshot['nodes'][number]>(nodePath()),
    list<Snapshot['pods'][number]>(podPath()),
    list<Snapshot['replicaSets'][number]>(replicaSetPath()),
    // Kinds of podmotion: not there before it is installed.
    optional<Snapshot['capacities'][number]>(nodeMigrationCapacityPath()),
    optional<Snapshot['migrations'][number]>(podMigrationPath()),
    optional<Snapshot['policies'][number]>(migrationPolicyPath()),
    gatherFacts(client, { ...wish, protections: true }),
  ])
  return { ...emptySnapshot(), nodes, pods, replicaSets, capacities, migrations, policies, ...(facts as Partial<Snapshot>) }
}
