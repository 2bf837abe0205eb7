// What makes the nodes differ: labels, and how much of the machine each may give to pods.
import type { Host } from '../hosts.ts'
import { podCidr6Of, podCidrOf } from '../hosts.ts'
import type { LabOptions } from '../options.ts'
import type { NodeSize } from './kubelet.ts'

// Parts of the machine's memory; further nodes are as the last one.
const memoryShares = [0.4, 0.3, 0.2]
const sizes = ['large', 'medium', 'small']

export function nodeSize(host: Host, machineMemoryBytes: number): NodeSize {
  const share = memoryShares[host.index - 1] ?? 0.2
  return { reservedMemoryBytes: Math.floor(machineMemoryBytes * (1 - share)), reservedCpuMilli: host.index === 3 ? 500 : 0 }
}

export function podCidrsOf(host: Host, { stack }: Pick<LabOptions, 'stack'>): string[] {
  return [podCidrOf(host), ...(stack === 'dual' ? [podCidr6Of(host)] : [])]
}

// Made before the kubelets start, so that each node has the range its CNI configuration was written for.
export function nodeObject(host: Host, options: Pick<LabOptions, 'stack'>): object {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: host.name,
      labels: {
        'kubernetes.io/hostname': host.name,
        'topology.kubernetes.io/zone': host.index % 2 === 1 ? 'zone-a' : 'zone-b',
        'lab.podmotion.io/size': sizes[host.index - 1] ?? 'small',
      },
    },
    spec: { podCIDR: podCidrOf(host), podCIDRs: podCidrsOf(host, options) },
  }
}
