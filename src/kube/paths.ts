// Paths of the API server's resources. Namespace undefined: all namespaces; name undefined: the collection.
import { group, version } from '../api/names.ts'

const ours = `/apis/${group}/${version}`

export const podPath = namespaced('/api/v1', 'pods')
export const servicePath = namespaced('/api/v1', 'services')
export const eventPath = namespaced('/api/v1', 'events')
export const persistentVolumeClaimPath = namespaced('/api/v1', 'persistentvolumeclaims')
export const replicaSetPath = namespaced('/apis/apps/v1', 'replicasets')
export const pdbPath = namespaced('/apis/policy/v1', 'poddisruptionbudgets')
export const leasePath = namespaced('/apis/coordination.k8s.io/v1', 'leases')
/** Kubelet's, by the name of its node. */
export const nodeLeasePath = (name: string): string => leasePath('kube-node-lease', name)
export const podMigrationPath = namespaced(ours, 'podmigrations')
export const migrationCheckpointPath = namespaced(ours, 'migrationcheckpoints')

export const secretPath = namespaced('/api/v1', 'secrets')
export const podMetricsPath = namespaced('/apis/metrics.k8s.io/v1beta1', 'pods')

export const nodePath = clusterWide('/api/v1', 'nodes')
export const namespacePath = clusterWide('/api/v1', 'namespaces')
export const nodeMetricsPath = clusterWide('/apis/metrics.k8s.io/v1beta1', 'nodes')
export const priorityClassPath = clusterWide('/apis/scheduling.k8s.io/v1', 'priorityclasses')
export const migrationPolicyPath = clusterWide(ours, 'migrationpolicies')
export const nodeMigrationCapacityPath = clusterWide(ours, 'nodemigrationcapacities')
export const migrationWebhookConfigPath = clusterWide(ours, 'migrationwebhookconfigs')

function namespaced(root: string, resource: string) {
  return (namespace?: string, name?: string, subresource?: string): string =>
    join(root, namespace === undefined ? [] : ['namespaces', namespace], resource, name, subresource)
}

function clusterWide(root: string, resource: string) {
  return (name?: string, subresource?: string): string => join(root, [], resource, name, subresource)
}

function join(root: string, prefix: string[], resource: string, name?: string, subresource?: string): string {
  const parts = [...prefix, resource, ...(name === undefined ? [] : [name]), ...(subresource === undefined ? [] : [subresource])]
  return [root, ...parts.map(encodeURIComponent)].join('/')
}
