// flanneld on a node: it takes the range in the Node object, leads to the other nodes' ranges and masquerades what leaves the pods' network.
import { type Host, podCidr } from '../hosts.ts'
import type { LabOptions, PodNetworkKind } from '../options.ts'

type Flannel = Pick<LabOptions, 'podNetwork'>

export const flannelKubeconfig = '/etc/kubernetes/flannel.conf'
const networkFile = '/etc/kube-flannel/net-conf.json'

const backends: Partial<Record<PodNetworkKind, string>> = { 'flannel-vxlan': 'vxlan', 'flannel-host-gw': 'host-gw' }

/** What the encapsulation takes of each packet on the fabric. */
const tunnelBytes = 50
const fabricMtu = 1500

export function isFlannel({ podNetwork }: Flannel): boolean {
  return backends[podNetwork] !== undefined
}

export function flannelService(host: Host): string[] {
  return [
    'env',
    `NODE_NAME=${host.name}`,
    'flanneld',
    '--kube-subnet-mgr',
    `--kubeconfig-file=${flannelKubeconfig}`,
    `--net-config-path=${networkFile}`,
    '--iface=eth0',
    '--ip-masq',
  ]
}

export function flannelFiles({ podNetwork }: Flannel): Record<string, string> {
  return { [networkFile]: JSON.stringify({ Network: podCidr, Backend: { Type: backends[podNetwork] } }) }
}

/** As flannel's CNI plugin tells the bridge plugin: pods must send no packet that does not fit into the tunnel. */
export function podMtu({ podNetwork }: Flannel): number {
  return podNetwork === 'flannel-vxlan' ? fabricMtu - tunnelBytes : fabricMtu
}
