// The kubelet's configuration on a node.
import { stringify } from 'yaml'

export type NodeSize = { readonly reservedMemoryBytes: number; readonly reservedCpuMilli: number }

export function kubeletConfiguration(size: NodeSize): string {
  return stringify({
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: '/etc/kubernetes/pki/ca.crt' },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: '/etc/kubernetes/pki/kubelet.crt',
    tlsPrivateKeyFile: '/etc/kubernetes/pki/kubelet.key',
    cgroupDriver: 'cgroupfs',
    failCgroupV1: false,
    failSwapOn: false,
    containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
    clusterDomain: 'cluster.local',
    // The nodes share one machine: the rest of it belongs to the others.
    systemReserved: { memory: String(size.reservedMemoryBytes), cpu: `${size.reservedCpuMilli}m` },
    evictionHard: { 'nodefs.available': '1%', 'imagefs.available': '1%', 'memory.available': '50Mi' },
    // Nothing can pull an image again.
    imageGCHighThresholdPercent: 100,
  })
}
